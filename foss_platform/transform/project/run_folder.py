"""dbt's target folders: one for each run, inside the copy of the project that the run builds from."""

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

#: dbt's state of a parse. It lets dbt parse only the files that have changed.
PARTIAL_PARSE = "partial_parse.msgpack"
# for reading the compiled SQL of a node that failed
_RUNS_KEPT = 2


@contextlib.contextmanager
def run_folder(copy: Path) -> Iterator[Path]:
    """Provide a target folder for one run of dbt. The folders of the last runs are kept, with their compiled SQL."""
    runs = copy / "runs"
    runs.mkdir(exist_ok=True)
    sweep(runs, _RUNS_KEPT)
    folder = Path(tempfile.mkdtemp(dir=runs))
    with _in_use(folder):
        if (copy / PARTIAL_PARSE).exists():
            shutil.copyfile(copy / PARTIAL_PARSE, folder / PARTIAL_PARSE)
        yield folder


def sweep(folder: Path, kept: int) -> None:
    """Delete the oldest folders, except for the newest and those that a run uses."""
    times = {}
    for path in folder.iterdir():
        # another process may delete the folder meanwhile
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if path.is_dir():
                times[path] = path.stat().st_mtime
    for path in sorted(times, key=lambda path: times[path])[:-kept]:
        uses = [path, *(path / "runs").glob("*")]
        if not any(_is_in_use(use) for use in uses):
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _in_use(folder: Path) -> Iterator[None]:
    """Mark a folder as used by this process. The kernel removes the mark when the process ends, however it ends."""
    with (folder / "in_use").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _is_in_use(folder: Path) -> bool:
    try:
        with (folder / "in_use").open() as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
