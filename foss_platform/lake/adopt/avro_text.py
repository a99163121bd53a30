"""Rewriting values in an Avro file of any schema, for manifests and manifest lists, which contain absolute paths.

Everything else is copied byte by byte. So fields that PyIceberg does not know are kept. This also works for manifests
of delete files, which PyIceberg cannot write.
"""

import io
import json
import zlib
from collections.abc import Callable
from typing import Any

#: Function that returns the value to write, given a field's name and value and the record's fields read so far.
Change = Callable[[str, Any, dict[str, Any]], Any]

_MAGIC = b"Obj\x01"
_SYNC_BYTES = 16
_FIXED = {"null": 0, "boolean": 1, "float": 4, "double": 8}


class UnknownCodecError(ValueError):
    """The file uses a compression that this module does not support."""


def rewritten(location: str, content: bytes, change: Change) -> bytes:
    """Return the file with the values from `change`, or the same bytes if no value changes.

    Raises
    ------
    ValueError
        If the file is not an Avro file, or uses an unknown codec.
    """
    source = io.BytesIO(content)
    if source.read(len(_MAGIC)) != _MAGIC:
        raise ValueError(f"{location} is not an Avro file")
    header = _header(source)
    codec = header.get("avro.codec", b"null").decode()
    schema = json.loads(header["avro.schema"])
    sync = source.read(_SYNC_BYTES)
    result = io.BytesIO()
    result.write(content[: source.tell()])
    has_changed = False

    def noted(name: str, value: Any, known: dict[str, Any]) -> Any:
        nonlocal has_changed
        new = change(name, value, known)
        has_changed |= new != value
        return new

    walker = _Walker(noted)
    while source.tell() < len(content):
        count, size = _read_long(source), _read_long(source)
        block = _uncompressed(location, codec, source.read(size))
        reader, writer = io.BytesIO(block), io.BytesIO()
        for _ in range(count):
            walker.copy(schema, "", {}, reader, writer)
        packed = _compressed(codec, writer.getvalue())
        _write_long(result, count)
        _write_long(result, len(packed))
        result.write(packed)
        if source.read(_SYNC_BYTES) != sync:
            raise ValueError(f"{location} is damaged: a block does not end where it should")
        result.write(sync)
    return result.getvalue() if has_changed else content


class _Walker:
    """Copies records, and passes each number, text and byte sequence to `change`."""

    def __init__(self, change: Change) -> None:
        self._change = change
        self._named: dict[str, Any] = {}

    def copy(self, schema: Any, name: str, known: dict[str, Any], source: io.BytesIO, to: io.BytesIO) -> None:
        if isinstance(schema, list):
            branch = _read_long(source)
            _write_long(to, branch)
            self.copy(schema[branch], name, known, source, to)
            return
        kind = schema["type"] if isinstance(schema, dict) else schema
        if isinstance(kind, (dict, list)):
            self.copy(kind, name, known, source, to)
        elif kind == "record":
            self._named[schema["name"]] = schema
            for field in schema["fields"]:
                self.copy(field["type"], field["name"], known, source, to)
        elif kind in ("array", "map"):
            self._copy_items(schema, kind, name, known, source, to)
        elif kind == "fixed":
            self._named[schema["name"]] = schema
            to.write(source.read(schema["size"]))
        elif kind == "enum":
            self._named[schema["name"]] = schema
            _write_long(to, _read_long(source))
        elif kind in ("int", "long"):
            _write_long(to, self._changed(name, _read_long(source), known))
        elif kind in ("string", "bytes"):
            value: Any = source.read(_read_long(source))
            new = self._changed(name, value.decode() if kind == "string" else value, known)
            encoded = new.encode() if isinstance(new, str) else new
            _write_long(to, len(encoded))
            to.write(encoded)
        elif kind in _FIXED:
            to.write(source.read(_FIXED[kind]))
        else:
            self.copy(self._named[kind], name, known, source, to)

    def _copy_items(
        self, schema: Any, kind: str, name: str, known: dict[str, Any], source: io.BytesIO, to: io.BytesIO
    ) -> None:
        while count := _read_long(source):
            if count < 0:
                _read_long(source)
            # Write a positive count, which has no size. After a negative count follows the block's size in bytes, which
            # would be wrong if values change.
            _write_long(to, abs(count))
            for _ in range(abs(count)):
                if kind == "map":
                    key = source.read(_read_long(source))
                    _write_long(to, len(key))
                    to.write(key)
                known["within"] = name
                self.copy(schema["items" if kind == "array" else "values"], name, known, source, to)
                known["within"] = ""
        _write_long(to, 0)

    def _changed(self, name: str, value: Any, known: dict[str, Any]) -> Any:
        new = self._change(name, value, known)
        known[name] = new
        return new


def _header(source: io.BytesIO) -> dict[str, bytes]:
    found = {}
    while count := _read_long(source):
        if count < 0:
            _read_long(source)
        for _ in range(abs(count)):
            key = source.read(_read_long(source)).decode()
            found[key] = source.read(_read_long(source))
    return found


def _uncompressed(location: str, codec: str, block: bytes) -> bytes:
    if codec == "null":
        return block
    if codec == "deflate":
        return zlib.decompress(block, wbits=-zlib.MAX_WBITS)
    raise UnknownCodecError(f"{location} is compressed by {codec}")


def _compressed(codec: str, block: bytes) -> bytes:
    if codec == "null":
        return block
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(block) + packer.flush()


def _read_long(source: io.BytesIO) -> int:
    value = shift = 0
    while True:
        byte = source.read(1)
        if not byte:
            raise ValueError("an Avro file is cut off")
        value |= (byte[0] & 0x7F) << shift
        if not byte[0] & 0x80:
            return (value >> 1) ^ -(value & 1)
        shift += 7


def _write_long(to: io.BytesIO, number: int) -> None:
    value = number << 1 if number >= 0 else (-number << 1) - 1
    while value > 0x7F:
        to.write(bytes([value & 0x7F | 0x80]))
        value >>= 7
    to.write(bytes([value]))
