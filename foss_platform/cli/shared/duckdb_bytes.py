"""Converts bytes of DuckDB types that Arrow has no type for into text.

The layouts are DuckDB's own. `pipeline/cli/test_output_types.py` detects changes in them.
"""

from collections.abc import Callable

from foss_platform.lake.query.calendar import clock_text

# DuckDB's easternmost offset from UTC, in seconds
_EAST = 16 * 3600 - 1


def _bignum(value: bytes) -> str:
    """Three bytes of sign and length, then the digits. All bytes are inverted for a negative number."""
    if value[0] & 0x80:
        return str(int.from_bytes(value[3:], "big"))
    return str(-int.from_bytes(bytes(byte ^ 0xFF for byte in value[3:]), "big"))


def _bits(value: bytes) -> str:
    """One byte with the number of padding bits, then the bits."""
    return "".join(f"{byte:08b}" for byte in value[1:])[value[0] :]


def _time_with_zone(value: bytes) -> str:
    """Microseconds in the upper 40 bits. In the lower 24: how far the zone is west of the easternmost offset."""
    bits = int.from_bytes(value, "little")
    offset = _EAST - (bits & 0xFFFFFF)
    minutes, seconds = divmod(abs(offset), 60)
    zone = f"{'-' if offset < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}" + (f":{seconds:02d}" * bool(seconds))
    return clock_text(bits >> 24, "us") + zone


#: By DuckDB's name of the type.
OPAQUE: dict[str, Callable[[bytes], str]] = {
    "hugeint": lambda value: str(int.from_bytes(value, "little", signed=True)),
    "uhugeint": lambda value: str(int.from_bytes(value, "little")),
    "bignum": _bignum,
    "bit": _bits,
    "time_tz": _time_with_zone,
}
