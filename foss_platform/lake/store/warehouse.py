"""The platform's own small files at the root of a warehouse, beside the tables: reading, listing and writing whole.

What belongs here: a file that two processes may create at once is created by one of them. What does not: what the
files mean (`lake.ownership.ownership`, `lake.maintenance.dropped_tables`), or the files of a table (`lake.files.table_files`).
"""

import os
import posixpath
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyarrow import fs
from pyiceberg.io.pyarrow import PyArrowFileIO

from foss_platform.lake.store.bulk_objects import create_object, open_s3, reaches_alike


class Place:
    """A folder of a warehouse, by its location: local, or in an object store.

    Parameters
    ----------
    properties
        Of the catalog: how the store is reached.
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
        """Its path with symbolic links resolved, which tells two places apart."""
        return os.path.realpath(self.root) if self.is_local else self.root

    def is_same(self, other: "Place") -> bool:
        """Whether both are one place, also when one of them is reached by a link or a bind mount."""
        if self.is_local != other.is_local:
            return False
        if self.real == other.real:
            return True
        return self.is_local and is_same_file(self.root, other.root)

    def above(self) -> "Place | None":
        """The folder that holds this one; None for a bucket or the root of a file system."""
        parent = self.location.rpartition("/")[0]
        is_top = posixpath.dirname(self.root) in ("", "/", self.root)
        return None if is_top or not parent else Place(parent, self.properties)

    def has(self, name: str = "") -> bool:
        """Whether there is a file or folder of this name."""
        return self.files.get_file_info(self._path(name)).type != fs.FileType.NotFound

    def read(self, name: str) -> bytes | None:
        """A file; None if there is none.

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
        """The names of the files in a folder of it, sorted; hidden ones are left out."""
        selector = fs.FileSelector(self._path(folder), allow_not_found=True)
        found = [info.base_name for info in self.files.get_file_info(selector) if info.type == fs.FileType.File]
        return sorted(name for name in found if not name.startswith("."))

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless it exists; of several processes at once, one succeeds.

        Returns
        -------
        Whether this call wrote it. A store without conditional writes always says yes: read it back.
        """
        if self.is_local:
            return self._create_local(Path(self._path(name)), content)
        if isinstance(self.files, fs.S3FileSystem) and reaches_alike(self.properties):
            made = create_object(open_s3(self.properties), self._path(name), content)
            if made is not None:
                return made
        if self.has(name):
            return False
        self.write(name, content)
        return True

    def write(self, name: str, content: bytes) -> None:
        """Write a file, in place of one that is there; it is there whole or not at all."""
        path = self._path(name)
        if not self.is_local:
            with self.files.open_output_stream(path) as stream:
                stream.write(content)
            return
        staged = _stage(Path(path), content)
        staged.replace(path)

    def delete(self, name: str) -> None:
        """Delete a file; one that is gone already is no failure."""
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
            # a link, unlike a rename, fails if the name is taken; and unlike an exclusive open it never shows half
            os.link(staged, file)
        except FileExistsError:
            return False
        except OSError:
            # a file system without hard links
            try:
                with file.open("xb") as stream:
                    stream.write(content)
            except FileExistsError:
                return False
        finally:
            staged.unlink()
        return True


def is_same_file(one: str, other: str) -> bool:
    """Whether both paths lead to one file or folder that exists."""
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
