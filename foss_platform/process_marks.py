"""Marks of living processes: files that a process holds locked for as long as it lives.

Whether a process lives cannot be told by its number: containers count their own, and numbers come again. The kernel
releases a lock whenever and however its holder ends, so anybody who sees the folder can ask. Processes on other hosts
keep their marks in another folder, which its name in each address tells: nothing is said about them.
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
    """What a process says of itself.

    Attributes
    ----------
    started
        When it made the mark, in seconds since the epoch.
    serves
        Whether it may execute runs of others, as a code server does; a run's own process does not.
    run
        The run that it executes, if it is known.
    """

    name: str
    process: int
    started: float
    serves: bool
    run: str = ""


class Marks:
    """The marks in one folder, which is made if it does not exist.

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
        """The mark of this process, made at the first call."""
        # a fork has the variable of its parent, and neither its lock nor its number
        if self._own is None or self._own[0].process != os.getpid():
            serves = multiprocessing.parent_process() is None
            self._own = self._make(Mark(uuid.uuid4().hex, os.getpid(), time.time(), serves))
        return self._own[0]

    def address(self) -> str:
        """Where others find the mark of this process: `place.name`."""
        return f"{self.place}.{self.own().name}"

    def note_run(self, run_id: str) -> None:
        """Say which run this process executes."""
        mark = replace(self.own(), run=run_id)
        assert self._own is not None
        self._own = (mark, self._own[1])
        _write(self._own[1], mark)

    def is_dead(self, address: str) -> bool | None:
        """Whether the process has ended; None if its mark is in another folder."""
        place, _, name = address.partition(".")
        if place != self.place or not name.isalnum():
            return None
        return self._read(name) is None

    def living(self) -> list[Mark]:
        """The marks of processes that live. Those of others are removed."""
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
            # not opened: closing any descriptor of a file releases the process's locks on it
            return self._own[0]
        with contextlib.suppress(FileNotFoundError), (self._folder / f"{name}.mark").open("r+") as file:
            if _lock(file.fileno()):
                return None
            with contextlib.suppress(ValueError, TypeError):
                return Mark(**json.load(file))
            # locked and not written yet
            return Mark(name, 0, 0.0, serves=True)
        return None

    def _make(self, mark: Mark) -> tuple[Mark, int]:
        file = self._folder / f"{mark.name}.mark"
        while True:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.lockf(descriptor, fcntl.LOCK_EX)
            # another process may have removed it between the two calls
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
            # the first of several wins, and none is read half written
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
    # it only grows: a reader never sees an old end
    os.pwrite(descriptor, content, 0)


_MARKS: dict[Path, Marks] = {}


def marks_of(settings: Settings) -> Marks:
    """The marks of those who share Dagster's home. One object a folder: two would release each other's locks.

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
    """End this process as soon as the process that started it is gone, if `multiprocessing` started it.

    A run whose code server is gone is ended rather than left to finish: nobody watches over it, and it would write
    beside its retry. Commits are whole or not at all, so it loses only its own work.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="end_with_parent", daemon=True).start()
