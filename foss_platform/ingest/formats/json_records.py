"""Parses a body into records, and writes values as JSON text.

JSON is read strictly (RFC 8259). `NaN` and `Infinity` are refused, and so are numbers too large for
a float. If a key is repeated in an object, all its values are kept.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn

from foss_platform.errors import PermanentError

#: The largest nesting depth of arrays and objects. Python's own limit is not used, because it depends on the version of
#: Python and on the caller's stack, and because reading allows deeper nesting than hashing and writing.
MAX_DEPTH = 100


#: The largest number of digits of a whole number that is read. Contract types hold at most 19 digits.
MAX_DIGITS = 4_300


class UnreadableBodyError(PermanentError):
    """The body is not as the page describes it: it is not JSON, has another structure, or has no records."""


class RepeatedKeys(dict[str, Any]):
    """A JSON object with a repeated key. `pairs` contains all keys and values in their original order."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def parse_body(body: bytes) -> Any:
    """Return the body as Python values.

    Raises
    ------
    UnreadableBodyError
        If it is not UTF-8 or not strict JSON, or if it is nested too deeply.
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
    # the depth cannot exceed the number of brackets, so most bodies need no further check
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deeper(payload, MAX_DEPTH):
        raise UnreadableBodyError("The body is JSON nested too deeply to be read.")
    return payload


def find_records(payload: Any, path: str) -> list[Any]:
    """Return the list of records at `path` (keys joined by dots, empty for the payload itself).

    Raises
    ------
    UnreadableBodyError
        If there is no list, or if the list is empty.
    """
    found = payload
    for key in path.split(".") if path else ():
        if not isinstance(found, dict) or key not in found:
            raise UnreadableBodyError(f"The payload has no {path!r}: {key!r} is missing.")
        found = found[key]
    where = f"at {path!r}" if path else "as the payload"
    if not isinstance(found, list):
        raise UnreadableBodyError(f"A list of records was expected {where}, but it is {_json_kind(found)}.")
    if not found:
        raise UnreadableBodyError(f"The list of records {where} is empty.")
    return found


def content_hash(payload: Any) -> str:
    """Return the SHA-256 of the canonical JSON. Formatting and the order of keys have no effect."""
    return hashlib.sha256(_CANONICAL.encode(payload).encode()).hexdigest()


def to_json(value: Any) -> str:
    """Return the JSON text of a value from `parse_body` without any loss, including repeated keys.

    Lone surrogates stay escaped, because UTF-8 cannot represent them.
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
    """Return whether the text can be stored as UTF-8. Lone surrogates cannot."""
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
    raise ValueError(f"{name} is not a JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is out of range")
    return number


def _whole(text: str) -> int:
    # int() also refuses more than 4,300 digits, but its message is about Python's settings
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
