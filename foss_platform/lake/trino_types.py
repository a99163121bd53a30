"""Trino's types as Arrow's, so that an answer of either engine leaves by the same door. Nothing else."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
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
}
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")
_MOMENT = re.compile(r"timestamp(\(\d+\))?( with time zone)?")
_ARRAY = re.compile(r"array\((.+)\)")
_NESTED = re.compile(r"array|map|row")


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type of a column of Trino's; text for what has no plain one (rows, maps, intervals)."""
    if name in _PLAIN:
        return _PLAIN[name]
    if found := _DECIMAL.fullmatch(name):
        return pa.decimal128(int(found[1]), int(found[2]))
    if found := _MOMENT.fullmatch(name):
        return pa.timestamp("us", "UTC" if found[2] else None)
    if (found := _ARRAY.fullmatch(name)) and not _NESTED.match(found[1]):
        return pa.list_(arrow_type(found[1]))
    return pa.string()


def arrow_value(value: Any, type_: pa.DataType) -> Any:
    """A value of the client's as Arrow takes it."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    if isinstance(value, list) and pa.types.is_list(type_):
        return [arrow_value(item, type_.value_type) for item in value]
    if value is not None and pa.types.is_string(type_) and not isinstance(value, str):
        return json.dumps(_with_text_keys(value), default=str) if isinstance(value, dict | list | tuple) else str(value)
    return value


def _with_text_keys(value: Any) -> Any:
    """With keys that JSON has: a map's may be of any type."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, list | tuple) else value
