"""From a body to records, and back to JSON text. What does not belong here: the contract.

JSON is read strictly (RFC 8259): `NaN` and `Infinity` are refused, numbers that overflow to
infinity too, and a key that stands twice in an object is noticed rather than lost.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn

from foss_platform.errors import LastingError

#: How deep arrays and objects may be nested. Fixed, since what Python itself can take depends on its version and on
#: the caller's stack, and reading takes more than hashing and writing out again do.
MAX_DEPTH = 100


#: The longest whole number that is read; what a contract can hold ends at 19 digits.
MAX_DIGITS = 4_300


class UnreadableBodyError(LastingError):
    """The body is not what the feed promised at all: not JSON, of another shape, or empty."""


class RepeatedKeys(dict[str, Any]):
    """A JSON object in which a key stands more than once; `pairs` holds all of it as given."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def parse_body(body: bytes) -> Any:
    """The body as Python values.

    Raises
    ------
    UnreadableBodyError
        When it is not UTF-8 or not strict JSON, or nested too deeply to be read.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableBodyError(f"The body is not UTF-8 (byte {error.start}).") from None
    try:
        payload = _DECODER.decode(text)
    except RecursionError:
        raise UnreadableBodyError("The body is JSON nested too deeply to be read.") from None
    except ValueError as error:
        shown = text[:60].replace("\n", " ")
        raise UnreadableBodyError(f"The body is not JSON: {error}. It begins {shown!r}.") from None
    # nothing is deeper than it has brackets: most bodies need no look inside
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deeper(payload, MAX_DEPTH):
        raise UnreadableBodyError("The body is JSON nested too deeply to be read.")
    return payload


def find_records(payload: Any, path: str) -> list[Any]:
    """The list of records at `path` (keys joined by dots; empty for the payload itself).

    Raises
    ------
    UnreadableBodyError
        When there is no list there, or it is empty where rows were promised.
    """
    found = payload
    for key in path.split(".") if path else ():
        if not isinstance(found, dict) or key not in found:
            raise UnreadableBodyError(f"The payload has no {path!r}: {key!r} is missing.")
        found = found[key]
    where = f"at {path!r}" if path else "as the payload"
    if not isinstance(found, list):
        raise UnreadableBodyError(f"A list of records was promised {where}, it is {_json_kind(found)}.")
    if not found:
        raise UnreadableBodyError(f"The list of records {where} is empty.")
    return found


def content_hash(payload: Any) -> str:
    """SHA-256 of the canonical JSON: keys sorted, no white space, so that formatting does not count."""
    return hashlib.sha256(_CANONICAL.encode(payload).encode()).hexdigest()


def to_json(value: Any) -> str:
    """JSON text of a value from `parse_body`, nothing lost: repeated keys stand as they stood.

    Lone surrogates, which no UTF-8 text can hold, stay escaped.
    """
    if isinstance(value, RepeatedKeys):
        return "{" + ",".join(f"{to_json(key)}:{to_json(item)}" for key, item in value.pairs) + "}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{to_json(key)}:{to_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(to_json, value)) + "]"
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isascii() or is_storable(text) else json.dumps(value)


def is_storable(text: str) -> bool:
    """Whether the text can be stored as UTF-8, which a lone surrogate cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    return result if len(result) == len(pairs) else RepeatedKeys(pairs)


def _is_deeper(payload: Any, limit: int) -> bool:
    level = [payload]
    for _ in range(limit):
        level = [part for item in level for part in _parts(item) if isinstance(part, dict | list)]
        if not level:
            return False
    return True


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, RepeatedKeys):
        return (item for _, item in value.pairs)
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is out of range")
    return number


def _whole(text: str) -> int:
    # Python itself refuses beyond 4,300, in words about its interpreter
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number of {len(text):,} digits is out of range")
    return int(text)


def _json_kind(value: Any) -> str:
    kinds = {dict: "an object", str: "a string", bool: "a boolean", type(None): "null"}
    return next((word for kind, word in kinds.items() if isinstance(value, kind)), "a number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole
)
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
