"""The files of a probe: writing, reading, listing and removing them, in a folder or a bucket.

What belongs here: those below the warehouse whose name is that of a probe. What does not: any other file.
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

# the first part tells when it was made, so that one of an interrupted validation can be told from one under way
_NAME = re.compile(r"validation_probe_([0-9a-f]{8})[0-9a-f]{12}")
_LEFT_AFTER_SECONDS = 900


def new_probe_name() -> str:
    """A name that nothing else bears."""
    return f"validation_probe_{int(time.time()):08x}{secrets.token_hex(6)}"


def is_left_behind(name: str) -> bool:
    """Whether this is the name of a probe whose validation cannot be under way any longer."""
    found = _NAME.fullmatch(name)
    return found is not None and time.time() - int(found[1], 16) > _LEFT_AFTER_SECONDS


class ProbeFiles(Protocol):
    """Files below the warehouse, named by paths relative to it."""

    def write(self, path: str, content: bytes) -> None:
        """Write a file."""

    def read(self, path: str) -> bytes:
        """Read it."""

    def names(self, folder: str = "") -> list[str]:
        """What lies right below the warehouse or a folder of it: names of files and folders."""

    def remove(self, name: str) -> None:
        """Remove a probe's folder with all that lies in it."""


def probe_files(warehouse: str | None, properties: Mapping[str, Any]) -> ProbeFiles | None:
    """Those of a warehouse; None where it is not known."""
    if warehouse is None:
        return None
    address = urlsplit(warehouse)
    if address.scheme in ("s3", "s3a", "s3n"):
        return BucketFiles(posixpath.join(address.netloc, address.path.strip("/")).rstrip("/"), properties)
    return FolderFiles(Path(warehouse.removeprefix("file://")))


@dataclass
class FolderFiles:
    """Below a folder, which is not there before the first table and is not left there by a probe."""

    root: Path

    def __post_init__(self) -> None:
        self._missing = [folder for folder in (self.root, *self.root.parents) if not folder.exists()]

    def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def read(self, path: str) -> bytes:
        """Read it."""
        return (self.root / path).read_bytes()

    def names(self, folder: str = "") -> list[str]:
        """What lies right below."""
        place = self.root / folder
        return sorted(entry.name for entry in place.iterdir()) if place.exists() else []

    def remove(self, name: str) -> None:
        """Remove a probe's folder, and the warehouse's own if it was not there before and nothing else is in it."""
        _refuse_other(name)
        if (self.root / name).exists():
            shutil.rmtree(self.root / name)
        for folder in self._missing:
            with suppress(OSError):
                folder.rmdir()


@dataclass
class BucketFiles:
    """Below a bucket's prefix. Tables are written by PyArrow, so objects are too.

    PyArrow leaves an empty object named like the folder when it deletes the last one in it, so s3fs does that.
    """

    root: str
    properties: Mapping[str, Any] = field(repr=False)

    def write(self, path: str, content: bytes) -> None:
        """Write an object."""
        with self._arrow().open_output_stream(f"{self.root}/{path}") as stream:
            stream.write(content)

    def read(self, path: str) -> bytes:
        """Read it."""
        with self._arrow().open_input_stream(f"{self.root}/{path}") as stream:
            content: bytes = stream.read()
        return content

    def names(self, folder: str = "") -> list[str]:
        """What lies right below."""
        from pyarrow import fs

        selector = fs.FileSelector(f"{self.root}/{folder}".rstrip("/"), allow_not_found=True)
        return sorted(info.base_name for info in self._arrow().get_file_info(selector))

    def remove(self, name: str) -> None:
        """Remove all objects of a probe."""
        _refuse_other(name)
        files = open_s3(self.properties)
        # one listing, so that a store which never answers costs one time-out
        if found := files.find(f"{self.root}/{name}"):
            files.rm(found)

    def _arrow(self) -> Any:
        from pyiceberg.io.pyarrow import PyArrowFileIO

        return PyArrowFileIO(dict(self.properties)).fs_by_scheme("s3", self.root.partition("/")[0])


def only_probes(names: list[str]) -> Iterator[str]:
    """Those of probes that were left behind."""
    return (name for name in names if is_left_behind(name))


def _refuse_other(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name} is not the name of a probe")
