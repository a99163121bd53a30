"""Relocating a table's files: copying missing files to the new location, and correcting paths in the metadata.

Only files at the new location are written, each atomically. A file that is already correct is not changed, so an
interrupted run can be continued. See `lake.adopt.adopt` for the choice of tables and the catalog.
"""

import gzip
import io
import json
import os
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow.parquet as pq
from pyarrow import fs
from pyiceberg.io.pyarrow import PyArrowFileIO

from foss_platform.errors import PermanentError
from foss_platform.lake.adopt.avro_text import rewritten
from foss_platform.lake.snapshots.points import PINNED_PREFIX
from foss_platform.lake.store.warehouse import Place, is_same_file

#: Iceberg's reserved column ids of a position delete file.
_PATH_COLUMN, _PATH_ID = "file_path", 2147483546
_CHUNK = 8 * 1024 * 1024


@dataclass
class Relocation:
    """The relocation of one table.

    Attributes
    ----------
    places
        Maps each former folder to the new one, the most specific first. Files outside these folders are not moved.
    """

    table: str
    metadata: str
    places: Mapping[str, str]
    properties: Mapping[str, Any]
    copied: Callable[[str], None] = lambda _: None
    _done: dict[str, str] = field(default_factory=dict)
    _apart: set[str] = field(default_factory=set)

    def moved(self, location: str) -> str:
        """Return the new location of a file."""
        path = _plain(location)
        for old, new in self.places.items():
            there, here = _plain(old), _plain(new)
            is_nested = here.startswith(f"{there}/")
            if path.startswith(f"{here}/") and (is_nested or not path.startswith(f"{there}/")):
                return location
            if path == there or path.startswith(f"{there}/"):
                return new.rstrip("/") + path[len(there) :]
        return location

    def carry_out(self) -> str:
        """Copy and correct all files, and return the location of the table's metadata.

        Raises
        ------
        PermanentError
            If a file that the table needs is at neither location.
        OSError
            If a store refuses.
        """
        metadata = self._mend_metadata(self.metadata)
        for location in self._pinned():
            self._mend_metadata(location)
        return metadata

    def _mend_metadata(self, location: str) -> str:
        target, content = self._present(location)
        is_packed = content[:2] == b"\x1f\x8b"
        found = json.loads(gzip.decompress(content) if is_packed else content)
        for snapshot in found.get("snapshots", ()):
            self._mend_list(snapshot["manifest-list"])
        for name in ("statistics", "partition-statistics"):
            for statistics in found.get(name, ()):
                self._present(statistics["statistics-path"])
        mended = self._mend_text(found)
        if mended != found:
            text = json.dumps(mended).encode()
            self._write(target, gzip.compress(text) if is_packed else text)
        return target

    def _mend_text(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.moved(value)
        if isinstance(value, dict):
            return {name: self._mend_text(item) for name, item in value.items()}
        return [self._mend_text(item) for item in value] if isinstance(value, list) else value

    def _mend_list(self, location: str) -> None:
        if location in self._done:
            return
        target, content = self._present(location)
        self._done[location] = target

        def change(name: str, value: Any, known: dict[str, Any]) -> Any:
            if name == "manifest_path":
                known["length"] = self._mend_manifest(value)
                return self.moved(value)
            return known["length"] if name == "manifest_length" else value

        self._write(target, rewritten(target, content, change), content)

    def _mend_manifest(self, location: str) -> int:
        target, content = self._present(location)
        if location in self._done:
            return len(content)
        self._done[location] = target

        def change(name: str, value: Any, known: dict[str, Any]) -> Any:
            if name == "file_path":
                is_standing, is_delete = known["status"] != 2, known.get("content", 0) == 1
                new, known["former"] = self.moved(value), value
                if is_standing:
                    known["size"] = self._mend_deletes(value) if is_delete else self._bring(value)[1]
                return new
            if name == "file_size_in_bytes" and known["status"] != 2:
                if known.get("content", 0) == 1:
                    return known["size"]
                self._require_whole(known["former"], known["size"], value)
            if name == "referenced_data_file":
                return self.moved(value)
            if name == "value" and known.get("key") == _PATH_ID and known.get("within", "").endswith("_bounds"):
                return self._mend_bound(value, is_upper=known["within"].startswith("upper"))
            return value

        mended = rewritten(target, content, change)
        self._write(target, mended, content)
        return len(mended)

    def _mend_bound(self, value: bytes, *, is_upper: bool) -> bytes:
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = ""
        if self.moved(text) != text or any(text.startswith(new) for new in self.places.values()):
            return self.moved(text).encode()
        # The bound is a truncated path, which cannot be corrected, so use the widest bound.
        return "\U0010ffff".encode() if is_upper else b""

    def _mend_deletes(self, location: str) -> int:
        """Correct a file of position deletes, which contains the paths of data files."""
        target, content = self._present(location)
        if location in self._done:
            return len(content)
        self._done[location] = target
        rows = pq.read_table(io.BytesIO(content))
        index = rows.schema.get_field_index(_PATH_COLUMN)
        paths = rows.column(index).to_pylist()
        mended = [self.moved(str(path)) for path in paths]
        if mended == paths:
            return len(content)
        import pyarrow as pa

        column = rows.schema.field(index)
        result = pa.BufferOutputStream()
        pq.write_table(rows.set_column(index, column, pa.array(mended, column.type)), result)
        new = result.getvalue().to_pybytes()
        self._write(target, new)
        return len(new)

    def _pinned(self) -> list[str]:
        """Return the pinned states at the former and the new location. Each has a unique file name."""
        found = {}
        for old, new in self.places.items():
            for folder in (old, new):
                metadata = f"{folder.rstrip('/')}/metadata"
                for name in Place(metadata, self.properties).names(""):
                    if name.startswith(PINNED_PREFIX) and name.endswith(".metadata.json"):
                        found[name] = f"{metadata}/{name}"
        return list(found.values())

    def _present(self, location: str) -> tuple[str, bytes]:
        """Return a file at its new location. If it is missing there, it is first copied from the former location."""
        target, _ = self._bring(location)
        files, path = self._open(target)
        with files.open_input_stream(path) as stream:
            return target, stream.read()

    def _require_whole(self, location: str, size: int, wanted: int) -> None:
        """Copy a file again if it is incomplete, e.g. because the home was copied during a write."""
        if size != wanted and (found := self._bring(location, anew=True)[1]) != wanted:
            raise PermanentError(
                f"{self.table} cannot be adopted: {self.moved(location)} has {found} bytes, but should have {wanted}.",
                "Restore the file from a backup, or copy the home again, and run `foss adopt` again.",
            )

    def _bring(self, location: str, *, anew: bool = False) -> tuple[str, int]:
        target = self.moved(location)
        self._require_apart(target, location)
        files, path = self._open(target)
        info = files.get_file_info(path)
        if info.type == fs.FileType.File and (not anew or target == location):
            return target, info.size
        source, former = self._open(location)
        if anew and source.get_file_info(former).type != fs.FileType.File:
            return target, int(info.size)
        if target == location or source.get_file_info(former).type != fs.FileType.File:
            both = "" if target == location else f", and so is {location}"
            raise PermanentError(
                f"{self.table} cannot be adopted: {target} is missing{both}.",
                "Restore the file from a backup, or copy the home again, and run `foss adopt` again.",
            )
        if isinstance(files, fs.LocalFileSystem):
            files.create_dir(posixpath.dirname(path))
        staged = f"{path}.part" if isinstance(files, fs.LocalFileSystem) else path
        fs.copy_files(former, staged, source, files, chunk_size=_CHUNK)
        if staged != path:
            files.move(staged, path)
        self.copied(target)
        return target, int(files.get_file_info(path).size)

    def _require_apart(self, target: str, location: str) -> None:
        """Raise if a link at the new location leads to the former location, whose files must not be written.

        Raises
        ------
        PermanentError
            If there is such a link.
        """
        here, there = (posixpath.dirname(_plain(found)) for found in (target, location))
        if target == location or here in self._apart:
            return
        if here.startswith("/") and is_same_file(here, there):
            raise PermanentError(
                f"{self.table} cannot be adopted: {here} is a link to {os.path.realpath(there)}, the folder of the "
                "original's files.",
                "Replace the link by a copy of its target folder, and run `foss adopt` again.",
            )
        self._apart.add(here)

    def _write(self, target: str, content: bytes, before: bytes | None = None) -> None:
        if content == before:
            return
        folder, _, name = target.rpartition("/")
        Place(folder, self.properties).write(name, content)

    def _open(self, location: str) -> tuple[fs.FileSystem, str]:
        scheme, netloc, path = PyArrowFileIO.parse_location(location, dict(self.properties))
        return PyArrowFileIO(dict(self.properties)).fs_by_scheme(scheme, netloc), path


def _plain(location: str) -> str:
    """Return a location in a single spelling. Engines write file:///x, file:/x and /x, and also s3, s3a and s3n."""
    if location.startswith("file:"):
        return "/" + location.removeprefix("file:").lstrip("/")
    scheme, separator, rest = location.partition("://")
    return f"s3://{rest}" if separator and scheme in ("s3a", "s3n") else location.rstrip("/")
