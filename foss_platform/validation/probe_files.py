"""Writes, reads, lists and removes the files of a probe, in a folder or a bucket.

This module only touches files in the warehouse that have the name of a probe.
"""

import posixpath
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from foss_platform.lake.store.bulk_objects import open_s3

# the first part is the time of creation, which distinguishes interrupted validations from running ones
_NAME = re.compile(r"validation_probe_([0-9a-f]{8})[0-9a-f]{12}")
_LEFT_AFTER_SECONDS = 900


def new_probe_name() -> str:
    """Return a new unique name."""
    return f"validation_probe_{int(time.time()):08x}{secrets.token_hex(6)}"


def is_left_behind(name: str) -> bool:
    """Whether this is the name of a probe whose validation cannot be running any longer."""
    found = _NAME.fullmatch(name)
    return found is not None and time.time() - int(found[1], 16) > _LEFT_AFTER_SECONDS


class ProbeFiles(Protocol):
    """The files of the warehouse, named by paths relative to it."""

    def write(self, path: str, content: bytes) -> None:
        """Write a file."""

    def read(self, path: str) -> bytes:
        """Read a file."""

    def names(self, folder: str = "") -> list[str]:
        """Return the names of the files and folders directly in the warehouse, or in one of its folders."""

    def remove(self, name: str) -> None:
        """Remove a probe's folder with all its files."""


def probe_files(warehouse: str | None, properties: Mapping[str, Any]) -> ProbeFiles | None:
    """Return the files of a warehouse. None if its location is not known."""
    if warehouse is None:
        return None
    address = urlsplit(warehouse)
    if address.scheme in ("s3", "s3a", "s3n"):
        return BucketFiles(posixpath.join(address.netloc, address.path.strip("/")).rstrip("/"), properties)
    return FolderFiles(Path(warehouse.removeprefix("file://")))


@dataclass
class FolderFiles:
    """The files of a folder. The folder may not exist before the first table, and the probe then removes it again."""

    root: Path

    def __post_init__(self) -> None:
        self._missing = [folder for folder in (self.root, *self.root.parents) if not folder.exists()]

    def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def read(self, path: str) -> bytes:
        """Read a file."""
        return (self.root / path).read_bytes()

    def names(self, folder: str = "") -> list[str]:
        """Return the names of the files and folders directly in the folder."""
        place = self.root / folder
        return sorted(entry.name for entry in place.iterdir()) if place.exists() else []

    def remove(self, name: str) -> None:
        """Remove a probe's folder, and the warehouse's folder if the probe made it and it is empty."""
        _refuse_other(name)
        if (self.root / name).exists():
            shutil.rmtree(self.root / name)
        for folder in self._missing:
            with suppress(OSError):
                folder.rmdir()


@dataclass
class BucketFiles:
    """The objects of a bucket's prefix. Objects are written by PyArrow, as tables are.

    When PyArrow deletes the last object in a folder, it leaves an empty object with the folder's name. s3fs does not.
    """

    root: str
    properties: Mapping[str, Any] = field(repr=False)

    def write(self, path: str, content: bytes) -> None:
        """Write an object."""
        with self._arrow().open_output_stream(f"{self.root}/{path}") as stream:
            stream.write(content)

    def read(self, path: str) -> bytes:
        """Read an object."""
        with self._arrow().open_input_stream(f"{self.root}/{path}") as stream:
            content: bytes = stream.read()
        return content

    def names(self, folder: str = "") -> list[str]:
        """Return the names directly in the prefix."""
        from pyarrow import fs

        selector = fs.FileSelector(f"{self.root}/{folder}".rstrip("/"), allow_not_found=True)
        return sorted(info.base_name for info in self._arrow().get_file_info(selector))

    def remove(self, name: str) -> None:
        """Remove all objects of a probe."""
        _refuse_other(name)
        files = open_s3(self.properties)
        # a single listing, so that a store that never answers costs only one time-out
        if found := files.find(f"{self.root}/{name}"):
            files.rm(found)

    def _arrow(self) -> Any:
        from pyiceberg.io.pyarrow import PyArrowFileIO

        return PyArrowFileIO(dict(self.properties)).fs_by_scheme("s3", self.root.partition("/")[0])


def only_probes(names: list[str]) -> Iterator[str]:
    """Yield the names of probes that were left behind."""
    return (name for name in names if is_left_behind(name))


def _refuse_other(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name} is not the name of a probe")
