"""Converts values of every type that an engine can return into text, for CSV, JSON and a terminal.

See `cli.shared.parquet_output` for Parquet.

| type | text |
|---|---|
| date, time, timestamp | ISO 8601, in UTC if the value has a zone. `infinity` and `-infinity` are DuckDB's |
| interval | ISO 8601, such as `P1Y2M3DT4H5M6.5S` |
| blob | base64 |
| bit | its digits, such as `0101` |
| list, struct, map, union | JSON. A struct's field without a unique name is named by position: `field0`, `field1`, … |
| JSON | itself |
| numbers | all their digits. In JSON, NaN and infinity are null |
"""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from foss_platform.cli.shared.duckdb_bytes import OPAQUE
from foss_platform.lake.query.calendar import PER_SECOND, clock_text, day_text, interval_text, moment_text

#: DuckDB's values for infinity. The negative values are minus infinity.
ENDLESS = {"date": 2**31 - 1, "timestamp": 2**63 - 1}

_NOT_FINITE = {"nan", "inf", "-inf", "-nan"}


def field_names(type_: Any) -> list[str]:
    """Return a struct's field names. Empty and repeated names are replaced."""
    names = [type_.field(place).name for place in range(type_.num_fields)]
    return [name if name and names.count(name) == 1 else f"field{place}" for place, name in enumerate(names)]


def texts(array: Any) -> list[str | None]:
    """Return each value as the text of a cell, and None for null."""
    type_ = array.type
    if pa.types.is_nested(type_):
        valid = array.is_valid().to_pylist()
        return [token if there else None for token, there in zip(json_tokens(array), valid, strict=True)]
    if pa.types.is_dictionary(type_):
        return texts(array.dictionary_decode())
    if isinstance(type_, pa.BaseExtensionType):
        return _extension_texts(array)
    if (write := _writer(type_)) is not None:
        counts = array.cast(pa.int32() if pa.types.is_date32(type_) or pa.types.is_time32(type_) else pa.int64())
        return [None if count is None else write(count) for count in counts.to_pylist()]
    if pa.types.is_interval(type_):
        return [None if value is None else interval_text(*value) for value in array.to_pylist()]
    if _is_binary(type_):
        return [None if value is None else base64.b64encode(value).decode() for value in array.to_pylist()]
    found: list[str | None] = array.cast(pa.string()).to_pylist()
    return found


def json_tokens(array: Any) -> list[str]:
    """Return each value as JSON."""
    type_ = array.type
    if pa.types.is_struct(type_):
        return _structs(array)
    if pa.types.is_map(type_):
        return _maps(array)
    if pa.types.is_fixed_size_list(type_) or pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return _lists(array)
    if pa.types.is_union(type_):
        return _unions(array)
    if pa.types.is_dictionary(type_):
        return json_tokens(array.dictionary_decode())
    found = texts(array)
    if is_number(type_):
        return ["null" if text is None or text in _NOT_FINITE else text for text in found]
    if pa.types.is_boolean(type_) or (
        isinstance(type_, pa.BaseExtensionType) and type_.extension_name == "arrow.bool8"
    ):
        return ["null" if text is None else text for text in found]
    if isinstance(type_, pa.JsonType):
        return ["null" if text is None else _one_line(text) for text in found]
    return ["null" if text is None else json.dumps(text, ensure_ascii=False) for text in found]


def is_number(type_: Any) -> bool:
    """Whether values of the type are JSON numbers."""
    if isinstance(type_, pa.OpaqueType):
        return type_.type_name in ("hugeint", "uhugeint", "bignum")
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def _writer(type_: Any) -> Callable[[int], str] | None:
    """Return a function that writes a count of days or time units as text. None for other types."""
    if pa.types.is_date(type_):
        if pa.types.is_date32(type_):
            return lambda days: _endless(days, ENDLESS["date"]) or day_text(days)
        return lambda count: day_text(count // 86_400_000)
    if pa.types.is_timestamp(type_):
        return lambda count: (
            _endless(count, ENDLESS["timestamp"]) or moment_text(count, type_.unit, zoned=type_.tz is not None)
        )
    if pa.types.is_time(type_):
        return lambda count: clock_text(count, type_.unit)
    if pa.types.is_duration(type_):
        return lambda count: interval_text(0, 0, count * (PER_SECOND["ns"] // PER_SECOND[type_.unit]))
    return None


def _endless(count: int, most: int) -> str:
    return "" if abs(count) != most else "infinity" if count > 0 else "-infinity"


def _is_binary(type_: Any) -> bool:
    return bool(pa.types.is_binary(type_) or pa.types.is_large_binary(type_) or pa.types.is_fixed_size_binary(type_))


def _extension_texts(array: Any) -> list[str | None]:
    type_, stored = array.type, array.storage
    if isinstance(type_, pa.OpaqueType) and type_.vendor_name == "DuckDB" and type_.type_name in OPAQUE:
        read = OPAQUE[type_.type_name]
        return [None if value is None else read(value) for value in stored.to_pylist()]
    if isinstance(type_, pa.UuidType):
        return [None if value is None else str(value) for value in array.to_pylist()]
    if type_.extension_name == "arrow.bool8":
        return texts(stored.cast(pa.bool_()))
    return texts(stored)


def _one_line(text: str) -> str:
    """Return JSON unchanged, with all digits of its numbers. Text that is not JSON becomes a string."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return json.dumps(text, ensure_ascii=False)
    return text.replace("\n", " ").replace("\r", " ")


def _structs(array: Any) -> list[str]:
    if not array.type.num_fields:
        return ["{}" if valid else "null" for valid in array.is_valid().to_pylist()]
    names = [json.dumps(name, ensure_ascii=False) for name in field_names(array.type)]
    columns = [json_tokens(array.field(place)) for place in range(array.type.num_fields)]
    return [
        "{" + ", ".join(f"{name}: {token}" for name, token in zip(names, row, strict=True)) + "}" if valid else "null"
        for valid, row in zip(array.is_valid().to_pylist(), zip(*columns, strict=True), strict=True)
    ]


def _lists(array: Any) -> list[str]:
    # a null list of fixed size has elements, too. `flatten` leaves them out
    elements = iter(json_tokens(array.flatten()))
    lengths = pc.list_value_length(array).to_pylist()
    return ["null" if length is None else f"[{', '.join(_take(elements, length))}]" for length in lengths]


def _take(tokens: Iterator[str], count: int) -> list[str]:
    return [next(tokens) for _ in range(count)]


def _maps(array: Any) -> list[str]:
    places = array.offsets.to_pylist()
    first, last = places[0], places[-1]
    keys = texts(array.keys.slice(first, last - first))
    items = json_tokens(array.items.slice(first, last - first))
    pairs = [f"{json.dumps(key, ensure_ascii=False)}: {item}" for key, item in zip(keys, items, strict=True)]
    return [
        "{" + ", ".join(pairs[start - first : end - first]) + "}" if valid else "null"
        for valid, start, end in zip(array.is_valid().to_pylist(), places[:-1], places[1:], strict=True)
    ]


def _unions(array: Any) -> list[str]:
    members: dict[int, list[Any]] = {
        code: json_tokens(array.field(place)) for place, code in enumerate(array.type.type_codes)
    }
    return [members[code][row] for row, code in enumerate(array.type_codes.to_pylist())]
