"""Trino's types as Arrow types, so that both engines return the same types.

The client's own conversion is not used, because it fails outside of the years 1 to 9999 and rounds to microseconds.
Types that Arrow lacks become text: times with a zone, intervals (as ISO 8601), times with more than nine decimals, and
geometries.
"""

import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

# https://trino.io/docs/current/language/types.html
_PLAIN: Mapping[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "varbinary": pa.binary(),
    "json": pa.json_(),
    "uuid": pa.uuid(),
    "unknown": pa.null(),
    # Sketches have an internal format, so they are plain bytes.
    "hyperloglog": pa.binary(),
    "p4hyperloglog": pa.binary(),
    "setdigest": pa.binary(),
    "tdigest": pa.binary(),
}
_TEXTS = re.compile(
    r"(varchar|char|ipaddress|ipprefix|geometry|sphericalgeography|kdbtree|bingtile|color|regexp|jsonpath|json2016"
    r"|number|interval (year to month|day to second)|time(\(\d+\))? with time zone)(\(.*\))?",
    re.IGNORECASE,
)
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")
_MOMENT = re.compile(r"(time|timestamp)(?:\((\d+)\))?( with time zone)?")


def arrow_type(name: str) -> pa.DataType:
    """Return the Arrow type for Trino's name of a column type."""
    if (plain := _PLAIN.get(name.lower())) is not None:
        return plain
    if found := _DECIMAL.fullmatch(name):
        return pa.decimal128(int(found[1]), int(found[2]))
    if name.startswith("qdigest("):
        return pa.binary()
    if found := _MOMENT.fullmatch(name):
        return _moment_type(found)
    if (nested := arguments(name)) is not None:
        outer, parts = nested
        if outer == "array":
            return pa.list_(arrow_type(parts[0]))
        if outer == "map":
            # The protocol sends map keys as text. Keys of a nested type cannot be parsed, so they stay text.
            key = pa.string() if arguments(parts[0]) is not None else arrow_type(parts[0])
            return pa.map_(key, arrow_type(parts[1]))
        if outer == "row":
            return pa.struct([pa.field(field, arrow_type(type_)) for field, type_ in map(field_of, parts)])
    return pa.string()


def _moment_type(found: re.Match[str]) -> pa.DataType:
    precision = int(found[2] or 3)
    unit: Any = "us" if precision <= 6 else "ns"
    if precision > 9:
        return pa.string()
    if found[1] == "time":
        return pa.string() if found[3] else pa.time64(unit)
    return pa.timestamp(unit, "UTC" if found[3] else None)


def arguments(name: str) -> tuple[str, list[str]] | None:
    """Return the outer name and the parts of a nested type. None for other types."""
    found = re.fullmatch(r"(array|map|row)\((.*)\)", name, re.DOTALL)
    if found is None:
        return None
    parts, depth, is_quoted = [""], 0, False
    for character in found[2]:
        is_quoted ^= character == '"'
        if not is_quoted:
            depth += {"(": 1, ")": -1}.get(character, 0)
            if character == "," and not depth:
                parts.append("")
                continue
        parts[-1] += character
    return found[1], [part.strip() for part in parts]


def field_of(part: str) -> tuple[str, str]:
    """Return the name and type of a field of Trino's type `row`. The name may be empty."""
    if found := re.fullmatch(r'"((?:[^"]|"")*)" (.+)', part, re.DOTALL):
        return found[1].replace('""', '"'), found[2]
    if part.lower() in _PLAIN or _DECIMAL.fullmatch(part) or _MOMENT.fullmatch(part) or _TEXTS.fullmatch(part):
        return "", part
    if arguments(part) is not None or part.startswith("qdigest("):
        return "", part
    name, _, type_ = part.partition(" ")
    return (name, type_) if type_ else ("", part)
