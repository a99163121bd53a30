"""The files below a table's location: listing, writing whole files, deleting.

PyIceberg's FileIO can neither list nor rename. So this module uses the underlying PyArrow file system, which has the
same settings and timeouts. See `lake.maintenance.unreferenced_files` for which files are deleted.
"""

import os
import posixpath
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from pyarrow import fs
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table

from foss_platform.lake.ownership.require_own import require_own
from foss_platform.lake.store.bulk_objects import (
    BATCH,
    BulkDeleteUnsupported,
    delete_objects,
    has_same_connection_settings,
    open_s3,
)

#: Up to this number, files are deleted one by one. This takes as long as s3fs needs to prepare its first request.
FEW = 20


@dataclass(frozen=True)
class StoredFile:
    """A file below a table's location.

    Attributes
    ----------
    path
        The normalized path in the file system. Different spellings of one location have the same path.
    modified
        The time of the store's last write (UTC).
    """

    path: str
    size: int
    modified: datetime

    @property
    def name(self) -> str:
        """The last part of the path."""
        return posixpath.basename(self.path)


class Storage:
    """The file system that holds a table, and the table's location in it."""

    def __init__(self, table: Table) -> None:
        self.location = table.location().rstrip("/")
        scheme, netloc, path = PyArrowFileIO.parse_location(self.location, table.io.properties)
        io = table.io if isinstance(table.io, PyArrowFileIO) else PyArrowFileIO(table.io.properties)
        self._files: fs.FileSystem = io.fs_by_scheme(scheme, netloc)
        self._properties = table.io.properties
        self.root = posixpath.normpath(path)
        self._catalog = table.catalog
        self._is_local = isinstance(self._files, fs.LocalFileSystem)
        self._has_bulk = isinstance(self._files, fs.S3FileSystem) and has_same_connection_settings(table.io.properties)

    @property
    def place(self) -> str:
        """The table's location with links resolved, for comparing it with another table's location."""
        return os.path.realpath(self.root) if self._is_local else self.root

    def path_of(self, location: str) -> str:
        """Return the normalized path of a location in metadata."""
        return posixpath.normpath(PyArrowFileIO.parse_location(location, self._properties)[2])

    def is_own(self, path: str) -> bool:
        """Whether a normalized path is below the table's location."""
        return posixpath.normpath(path) == path and path.startswith(f"{self.root}/")

    def _is_through_link(self, path: str) -> bool:
        """Whether a folder between the root and a file is a link, so that the file is elsewhere or has another path."""
        if not self._is_local:
            return False
        folder = posixpath.dirname(path)
        return os.path.realpath(folder) != posixpath.normpath(f"{self.place}/{posixpath.relpath(folder, self.root)}")

    def list_files(self, folder: str = "") -> Iterator[StoredFile]:
        """Yield all files below the location, or below one of its folders. Links to folders are not followed.

        Raises
        ------
        OSError
            If the store cannot be read.
        """
        selector = fs.FileSelector(posixpath.join(self.root, folder), recursive=True, allow_not_found=True)
        through_link: dict[str, bool] = {}
        for info in self._files.get_file_info(selector):
            folder_of_it = posixpath.dirname(info.path)
            if folder_of_it not in through_link:
                through_link[folder_of_it] = self._is_through_link(info.path)
            if info.type == fs.FileType.File and not through_link[folder_of_it]:
                modified = info.mtime.astimezone(UTC) if info.mtime is not None else datetime.min.replace(tzinfo=UTC)
                yield StoredFile(posixpath.normpath(info.path), info.size, modified)

    def missing(self, paths: Iterable[str]) -> list[str]:
        """Return the paths that have no file."""
        return [info.path for info in self._files.get_file_info(list(paths)) if info.type != fs.FileType.File]

    def write_whole(self, name: str, content: bytes) -> str:
        """Write a file below the location atomically, and return its location."""
        self._require_own()
        path = posixpath.join(self.root, name)
        # An object store shows only complete objects. A local file is renamed into place from a unique name, because
        # two writers may write the same file.
        staged = f"{path}.{uuid.uuid4().hex}.part" if self._is_local else path
        with self._files.open_output_stream(staged) as stream:
            stream.write(content)
        if staged != path:
            self._files.move(staged, path)
        return f"{self.location}/{name}"

    def read_whole(self, name: str) -> bytes | None:
        """Return a file below the location, or None if it does not exist."""
        return self.read_path(posixpath.join(self.root, name))

    def read_path(self, path: str) -> bytes | None:
        """Return a file by its path, or None if it does not exist."""
        if self.missing([path]):
            return None
        with self._files.open_input_stream(path) as stream:
            content: bytes = stream.read()
        return content

    def delete(self, path: str) -> None:
        """Delete a file of the table. A file that is already gone is not a failure.

        Raises
        ------
        ValueError
            If the path is outside the table's location.
        OSError
            If the store refuses.
        """
        self._refuse_foreign(path)
        try:
            self._files.delete_file(path)
        except FileNotFoundError:
            return

    def delete_all(self, paths: Sequence[str]) -> Iterator[str]:
        """Delete files of the table, in no particular order. If the store supports it, one request deletes many files.

        Yields
        ------
        Each deleted path. If an error follows, the paths deleted before it were yielded.

        Raises
        ------
        ValueError
            If a path is outside the table's location. Neither this path nor later ones are deleted.
        OSError
            If the store refuses any path. Later requests are not sent.
        """
        if not self._has_bulk or len(paths) <= FEW:
            yield from self._delete_each(paths)
            return
        for path in paths:
            self._refuse_foreign(path)
        for start in range(0, len(paths), BATCH):
            batch = paths[start : start + BATCH]
            try:
                deleted = delete_objects(self._bulk, batch)
            except BulkDeleteUnsupported:
                yield from self._delete_each(paths[start:])
                return
            yield from deleted.gone
            for path, reason in deleted.refused.items():
                bucket = path.partition("/")[0]
                raise OSError(
                    f"{len(deleted.refused)} objects in bucket '{bucket}' were not deleted, e.g. {path}: {reason}"
                )

    @cached_property
    def _bulk(self) -> Any:
        return open_s3(self._properties)

    def _delete_each(self, paths: Sequence[str]) -> Iterator[str]:
        for path in paths:
            self.delete(path)
            yield path

    def _require_own(self) -> None:
        # A table that was opened from a metadata file has no catalog, and nobody changes its files.
        if self._catalog is not None:
            require_own(self._catalog)

    def _refuse_foreign(self, path: str) -> None:
        self._require_own()
        if not self.is_own(path) or self._is_through_link(path):
            raise ValueError(f"{path} is outside {self.root}")
