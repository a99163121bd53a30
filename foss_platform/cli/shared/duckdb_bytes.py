"""Converts bytes of DuckDB types that Arrow has no type for into text.

The layouts are DuckDB's own. `pipeline/cli/test_output_types.py` detects changes in them.
"""

from collections.abc import Callable

from foss_platform.lake.query.calendar import clock_text

# DuckDB's easternmost offset from UTC, in seconds
_EAST = 16 * 3600 - 1


def _bignum(value: bytes) -> str:
    """Three bytes contain sign and length, then the digits follow. A negative number has all bytes inverted."""
    if value[0] & 0x80:
        return str(int.from_bytes(value[3:], "big"))
    return str(-int.from_bytes(bytes(byte ^ 0xFF for byte in value[3:]), "big"))


def _bits(value: bytes) -> str:
    """The first byte is the number of padding bits. The bits follow."""
    return "".join(f"{byte:08b}" for byte in value[1:])[value[0] :]


def _time_with_zone(value: bytes) -> str:
    """The upper 40 bits contain microseconds.

    The lower 24 bits contain `_EAST` minus the zone's offset from UTC, in seconds.
    """
    bits = int.from_bytes(value, "little")
    offset = _EAST - (bits & 0xFFFFFF)
    minutes, seconds = divmod(abs(offset), 60)
    zone = f"{'-' if offset < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}" + (f":{seconds:02d}" * bool(seconds))
    return clock_text(bits >> 24, "us") + zone


#: For each type, by DuckDB's name: the conversion of its bytes.
OPAQUE: dict[str, Callable[[bytes], str]] = {
    "hugeint": lambda value: str(int.from_bytes(value, "little", signed=True)),
    "uhugeint": lambda value: str(int.from_bytes(value, "little")),
    "bignum": _bignum,
    "bit": _bits,
    "time_tz": _time_with_zone,
}
