"""Trino's protocol values as Arrow values. See `lake.trino.types` for the types."""

import base64
import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from foss_platform.lake.query.calendar import PER_SECOND, interval_text, moment_text, parse_clock, parse_day
from foss_platform.lake.trino.types import arguments, arrow_type, field_of

_YEARS = re.compile(r"(-?)(\d+)-(\d+)")
_DAYS = re.compile(r"(-?)(\d+) (\d+):(\d\d):(\d\d)\.(\d+)")
_ZONE = re.compile(r"([+-])(\d\d):(\d\d)")
# Weekdays and leap years, and so the rules of a time zone, repeat every 400 years.
_CYCLE = 400


def arrow_array(name: str, values: list[Any]) -> Any:
    """Return protocol values of the named type as an Arrow array.

    Raises
    ------
    ValueError
        If Arrow cannot hold a value, such as the year 3000 in nanoseconds.
    """
    return _array(arrow_type(name), name, values)


def _array(type_: Any, name: str, values: list[Any]) -> Any:
    # A map key of a nested type is text.
    outer, parts = (None if pa.types.is_string(type_) else arguments(name)) or ("", [])
    if pa.types.is_list(type_):
        inner = _array(type_.value_type, parts[0], [item for value in values if value is not None for item in value])
        return pa.ListArray.from_arrays(_offsets(values), inner, type=type_)
    if pa.types.is_map(type_):
        pairs = [pair for value in values if value is not None for pair in value.items()]
        keys = _array(type_.key_type, parts[0], [_key(type_.key_type, key) for key, _ in pairs])
        items = _array(type_.item_type, parts[1], [item for _, item in pairs])
        maps: Any = pa.MapArray
        return maps.from_arrays(_offsets(values), keys, items, type=type_)
    if outer == "row":
        columns = [
            _array(type_.field(place).type, field_of(part)[1], [None if row is None else row[place] for row in values])
            for place, part in enumerate(parts)
        ]
        return pa.StructArray.from_arrays(columns, fields=list(type_), mask=pa.array([row is None for row in values]))
    read = _reader(type_, name)
    found = [None if value is None else read(value) for value in values]
    if pa.types.is_temporal(type_):
        counts = pa.int32() if pa.types.is_date32(type_) else pa.int64()
        return pa.array(found, counts).cast(type_)
    if isinstance(type_, pa.BaseExtensionType):
        return type_.wrap_array(pa.array(found, type_.storage_type))
    return pa.array(found, type_)


def _offsets(values: list[Any]) -> Any:
    """Return the offset of each list in Arrow's array of elements, and null for a null list."""
    places: list[int | None] = []
    place = 0
    for value in values:
        places.append(None if value is None else place)
        place += 0 if value is None else len(value)
    return pa.array([*places, place], pa.int32())


def _key(type_: Any, key: Any) -> Any:
    """Convert a map's key from text, because keys in JSON are text."""
    if pa.types.is_boolean(type_):
        return key in (True, "true")
    return int(key) if pa.types.is_integer(type_) else key


def _reader(type_: Any, name: str) -> Any:
    if pa.types.is_binary(type_):
        return base64.b64decode
    if pa.types.is_floating(type_):
        return float
    if pa.types.is_decimal(type_):
        return Decimal
    if pa.types.is_date(type_):
        return parse_day
    if pa.types.is_time(type_):
        return lambda value: parse_clock(value, type_.unit)
    if pa.types.is_timestamp(type_):
        return lambda value: _moment(value, type_.unit)
    if isinstance(type_, pa.UuidType):
        return lambda value: bytes.fromhex(value.replace("-", ""))
    if name.startswith("timestamp"):
        return _precise
    if name.lower().startswith("interval"):
        return _interval
    return str if pa.types.is_string(type_) else lambda value: value


def _moment(text: str, unit: str) -> int:
    """Return a timestamp, such as `2020-01-02 03:04:05.678 Europe/Oslo`, as a count of a unit since 1970."""
    day, clock, *zone = text.split(" ")
    local = parse_day(day) * 86_400 * PER_SECOND[unit] + parse_clock(clock, unit)
    count = local - (_offset_seconds(day, clock, zone[0]) if zone else 0) * PER_SECOND[unit]
    if not -(2**63) <= count < 2**63:
        raise ValueError(f"{text} is out of the range of a 64-bit timestamp")
    return count


def _offset_seconds(day: str, clock: str, zone: str) -> int:
    if zone in ("UTC", "Z"):
        return 0
    if found := _ZONE.fullmatch(zone):
        seconds = int(found[2]) * 3600 + int(found[3]) * 60
        return -seconds if found[1] == "-" else seconds
    # Use a year in which the zone has the same rules and which Python supports.
    sign, year, rest = re.fullmatch(r"([+-]?)(\d+)(-.+)", day).groups()  # type: ignore[union-attr]
    known = 1 if sign == "-" or int(year) < 1 else int(year) if int(year) < 9999 else 9200 + int(year) % _CYCLE
    local = datetime.fromisoformat(f"{known:04d}{rest}T{clock[:8]}")
    offset = local.replace(tzinfo=ZoneInfo(zone)).utcoffset() or timedelta()
    return int(offset.total_seconds())


def _precise(text: str) -> str:
    """Return a timestamp with more decimals than Arrow supports as ISO 8601. If it has a zone, it is converted to
    UTC.
    """
    day, clock, *zone = text.split(" ")
    if not zone:
        return f"{day}T{clock}"
    whole, _, decimals = clock.partition(".")
    seconds = _moment(f"{day} {whole} {zone[0]}", "s")
    return f"{moment_text(seconds, 's', zoned=False)}.{decimals}+00:00"


def _interval(text: str) -> str:
    """Return an interval as ISO 8601: `1-2` is years and months, `3 04:05:06.789` is days and a time."""
    if found := _YEARS.fullmatch(text):
        months = int(found[2]) * 12 + int(found[3])
        return interval_text(-months if found[1] else months, 0, 0)
    if found := _DAYS.fullmatch(text):
        nanoseconds = parse_clock(f"{found[3]}:{found[4]}:{found[5]}.{found[6]}", "ns")
        sign = -1 if found[1] else 1
        return interval_text(0, sign * int(found[2]), sign * nanoseconds)
    return text
