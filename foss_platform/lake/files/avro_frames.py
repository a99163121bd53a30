"""A check that an Avro file is complete, by its header, blocks and sync markers. Its entries are not read."""

import io

_MAGIC = b"Obj\x01"
_SYNC_BYTES = 16


def refuse_cut_avro(location: str, content: bytes) -> None:
    """Raise unless the bytes are a complete Avro file.

    Raises
    ------
    ValueError
        If the file is cut off or is not an Avro file.
    """
    stream = io.BytesIO(content)
    if _take(location, stream, len(_MAGIC)) != _MAGIC:
        raise ValueError(f"{location} is not an Avro file")
    while count := _number(location, stream):
        if count < 0:
            _number(location, stream)
        for _ in range(2 * abs(count)):
            _take(location, stream, _number(location, stream))
    sync = _take(location, stream, _SYNC_BYTES)
    while stream.tell() < len(content):
        _number(location, stream)
        _take(location, stream, _number(location, stream))
        if _take(location, stream, _SYNC_BYTES) != sync:
            raise ValueError(f"{location} is damaged: a block does not end where it should")


def _take(location: str, stream: io.BytesIO, size: int) -> bytes:
    taken = stream.read(size) if size >= 0 else b""
    if len(taken) != size:
        raise ValueError(f"{location} is cut off")
    return taken


def _number(location: str, stream: io.BytesIO) -> int:
    """Read an Avro integer in variable-length zig-zag encoding."""
    value = shift = 0
    while True:
        byte = _take(location, stream, 1)[0]
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return (value >> 1) ^ -(value & 1)
        shift += 7
