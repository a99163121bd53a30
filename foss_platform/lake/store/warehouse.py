"""The platform's own small files at the root of a warehouse: reading, listing and writing them atomically.

If two processes create a file at once, exactly one succeeds. See `lake.ownership.require_own` and
`lake.maintenance.dropped_tables` for the content of these files, and `lake.files.table_files` for the files of a
table.
"""

import os
import posixpath
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyarrow import fs
from pyiceberg.io.pyarrow import PyArrowFileIO

from foss_platform.lake.store.bulk_objects import create_object, has_same_connection_settings, open_s3


class Place:
    """A folder of a warehouse, local or in an object store.

    Parameters
    ----------
    properties
        The catalog's properties, which say how to reach the store.
    """

    def __init__(self, location: str, properties: Mapping[str, Any]) -> None:
        self.location = location.rstrip("/")
        self.properties = dict(properties)
        scheme, netloc, path = PyArrowFileIO.parse_location(self.location, self.properties)
        self.files: fs.FileSystem = PyArrowFileIO(self.properties).fs_by_scheme(scheme, netloc)
        self.is_local = isinstance(self.files, fs.LocalFileSystem)
        self.root = posixpath.normpath(path)

    @property
    def real(self) -> str:
        """The path with symbolic links resolved, for comparing two places."""
        return os.path.realpath(self.root) if self.is_local else self.root

    def is_same(self, other: "Place") -> bool:
        """Whether both are the same folder, even if one path leads through a link or a bind mount."""
        if self.is_local != other.is_local:
            return False
        if self.real == other.real:
            return True
        return self.is_local and is_same_file(self.root, other.root)

    def above(self) -> "Place | None":
        """Return the parent folder. None for a bucket or the root of a file system."""
        parent = self.location.rpartition("/")[0]
        is_top = posixpath.dirname(self.root) in ("", "/", self.root)
        return None if is_top or not parent else Place(parent, self.properties)

    def has(self, name: str = "") -> bool:
        """Whether a file or folder of this name exists."""
        return self.files.get_file_info(self._path(name)).type != fs.FileType.NotFound

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, or None if it does not exist.

        Raises
        ------
        OSError
            If the store cannot be read.
        """
        path = self._path(name)
        if self.files.get_file_info(path).type != fs.FileType.File:
            return None
        try:
            with self.files.open_input_stream(path) as stream:
                content: bytes = stream.read()
        except FileNotFoundError:
            return None
        return content

    def names(self, folder: str) -> list[str]:
        """Return the sorted names of the files in a subfolder, without hidden files."""
        selector = fs.FileSelector(self._path(folder), allow_not_found=True)
        found = [info.base_name for info in self.files.get_file_info(selector) if info.type == fs.FileType.File]
        return sorted(name for name in found if not name.startswith("."))

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless it exists. If several processes try at once, one succeeds.

        Returns
        -------
        Whether this call wrote the file. Always True for a store without conditional writes, so the caller must read
        the file back.
        """
        if self.is_local:
            return self._create_local(Path(self._path(name)), content)
        if isinstance(self.files, fs.S3FileSystem) and has_same_connection_settings(self.properties):
            made = create_object(open_s3(self.properties), self._path(name), content)
            if made is not None:
                return made
        if self.has(name):
            return False
        self.write(name, content)
        return True

    def write(self, name: str, content: bytes) -> None:
        """Write or replace a file atomically."""
        path = self._path(name)
        if not self.is_local:
            with self.files.open_output_stream(path) as stream:
                stream.write(content)
            return
        staged = _stage(Path(path), content)
        staged.replace(path)

    def delete(self, name: str) -> None:
        """Delete a file. A file that is already gone is not a failure."""
        try:
            self.files.delete_file(self._path(name))
        except FileNotFoundError:
            return

    def _path(self, name: str) -> str:
        return posixpath.join(self.root, name) if name else self.root

    def _create_local(self, file: Path, content: bytes) -> bool:
        if file.exists():
            return False
        staged = _stage(file, content)
        try:
            # Unlike a rename, a link fails if the name is taken. Unlike an exclusive open, it never shows a partial
            # file.
            os.link(staged, file)
        except FileExistsError:
            return False
        except OSError:
            # The file system has no hard links.
            try:
                with file.open("xb") as stream:
                    stream.write(content)
            except FileExistsError:
                return False
        finally:
            staged.unlink()
        return True


def is_same_file(one: str, other: str) -> bool:
    """Whether both paths lead to the same existing file or folder."""
    try:
        return Path(one).samefile(other)
    except OSError:
        return False


def _stage(file: Path, content: bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    staged = file.with_name(f".{file.name}.{uuid.uuid4().hex}.part")
    with staged.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    return staged
