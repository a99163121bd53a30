"""Marks of running processes: files that a process keeps locked until it ends.

A process number does not show whether a process is running: each container has its own numbers, and numbers are
reused. The kernel releases a lock however its process ends, so anyone with access to the folder can check the lock.
Processes on other hosts have their marks in other folders. Each address contains the id of its folder, and processes
of other folders are not judged.
"""

import contextlib
import fcntl
import json
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from foss_platform.settings import Settings

_PLACE = "place"


@dataclass(frozen=True)
class Mark:
    """What a process publishes about itself.

    Attributes
    ----------
    started
        When the process made the mark, in seconds since the epoch.
    serves
        Whether the process may execute runs of others, as a code server does. A run's own process does not.
    run
        The run that the process executes, if it is known.
    """

    name: str
    process: int
    started: float
    serves: bool
    run: str = ""


class Marks:
    """The marks in one folder. The folder is made if it does not exist.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._own: tuple[Mark, int] | None = None
        self.place = self._read_place()

    def own(self) -> Mark:
        """Return the mark of this process. The first call makes it."""
        # a forked process inherits this attribute, but has neither its parent's lock nor its number
        if self._own is None or self._own[0].process != os.getpid():
            serves = multiprocessing.parent_process() is None
            self._own = self._make(Mark(uuid.uuid4().hex, os.getpid(), time.time(), serves))
        return self._own[0]

    def address(self) -> str:
        """Return the address by which others find the mark of this process: `place.name`."""
        return f"{self.place}.{self.own().name}"

    def note_run(self, run_id: str) -> None:
        """Record in the mark which run this process executes."""
        mark = replace(self.own(), run=run_id)
        assert self._own is not None
        self._own = (mark, self._own[1])
        _write(self._own[1], mark)

    def is_dead(self, address: str) -> bool | None:
        """Whether the process has ended. None if its mark is in another folder."""
        place, _, name = address.partition(".")
        if place != self.place or not name.isalnum():
            return None
        return self._read(name) is None

    def living(self) -> list[Mark]:
        """Return the marks of running processes. Marks of ended processes are deleted."""
        found = []
        for file in self._folder.glob("*.mark"):
            mark = self._read(file.stem)
            if mark is not None:
                found.append(mark)
            else:
                file.unlink(missing_ok=True)
        return found

    def _read(self, name: str) -> Mark | None:
        if self._own is not None and self._own[0].name == name and self._own[0].process == os.getpid():
            # the file must not be opened: closing any descriptor of a file releases the process's locks on it
            return self._own[0]
        with contextlib.suppress(FileNotFoundError), (self._folder / f"{name}.mark").open("r+") as file:
            if _lock(file.fileno()):
                return None
            with contextlib.suppress(ValueError, TypeError):
                return Mark(**json.load(file))
            # already locked, but not written yet
            return Mark(name, 0, 0.0, serves=True)
        return None

    def _make(self, mark: Mark) -> tuple[Mark, int]:
        file = self._folder / f"{mark.name}.mark"
        while True:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.lockf(descriptor, fcntl.LOCK_EX)
            # another process may have deleted the file between the two calls
            with contextlib.suppress(FileNotFoundError):
                if os.fstat(descriptor).st_ino == file.stat().st_ino:
                    break
            os.close(descriptor)
        _write(descriptor, mark)
        return mark, descriptor

    def _read_place(self) -> str:
        file = self._folder / _PLACE
        if not file.exists():
            draft = self._folder / f"{_PLACE}.{uuid.uuid4().hex}"
            draft.write_text(uuid.uuid4().hex)
            # if several processes do this, the first wins, and no process reads a partial file
            with contextlib.suppress(FileExistsError):
                file.hardlink_to(draft)
            draft.unlink()
        return file.read_text()


def _lock(descriptor: int) -> bool:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _write(descriptor: int, mark: Mark) -> None:
    content = json.dumps(asdict(mark)).encode()
    # the content only grows, so a reader never sees the end of older content
    os.pwrite(descriptor, content, 0)


_MARKS: dict[Path, Marks] = {}


def marks_of(settings: Settings) -> Marks:
    """Return the marks of the processes that share Dagster's home.

    There is one object per folder, because two objects would release each other's locks.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    home = Path(os.environ.get("DAGSTER_HOME") or settings.dagster_home)
    folder = (home / "processes").resolve()
    if folder not in _MARKS:
        _MARKS[folder] = Marks(folder)
    return _MARKS[folder]


def end_with_parent() -> None:
    """End this process as soon as its parent process has ended, if `multiprocessing` started it.

    A run is ended if its code server has ended, because nothing monitors it and it would write at the same time as its
    retry. Commits are atomic, so only the run's own work is lost.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="end_with_parent", daemon=True).start()
