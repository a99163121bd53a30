"""Opens Dagster's instance for a command that only reads, even in a home that cannot be written.

Dagster creates folders, tables and locks when it opens its storage, even to read. So nothing is opened if Dagster was
never used. If the home cannot be written, its databases are copied to a temporary folder and read there.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from foss_platform.cli.shared.instance import dagster_folder, open_instance, storage_failure
from foss_platform.settings import Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance

_CONFIGURATION = "dagster.yaml"
# where Dagster keeps its SQLite files unless dagster.yaml configures another storage
_RUNS, _EVENTS = Path("history", "runs.db"), Path("history", "runs")


@dataclass(frozen=True)
class ReadInstance:
    """An instance for reading.

    Attributes
    ----------
    original
        The folder whose databases are copied on demand. None if the instance was opened in the home itself, without
        copies.
    copy
        The folder of the copies.
    """

    instance: "DagsterInstance"
    original: Path | None = None
    copy: Path | None = None

    def fetch_events(self, run_id: str) -> None:
        """Make the events of a run available. Dagster keeps them in a separate file for each run."""
        if self.original is not None and self.copy is not None:
            _copy_database(self.original, self.copy, _EVENTS / f"{run_id}.db")


@contextmanager
def open_for_reading(settings: Settings) -> Iterator[ReadInstance | None]:
    """Open the instance of this home. A home that cannot be written is not changed.

    Yields
    ------
    None if Dagster was never used in this home.

    Raises
    ------
    TransientError
        If Dagster's storage cannot be opened.
    """
    folder = dagster_folder(settings)
    if not (folder / _CONFIGURATION).exists():
        yield None
    elif os.access(folder, os.W_OK | os.X_OK):
        with open_instance(settings) as instance:
            yield ReadInstance(instance)
    else:
        with (
            TemporaryDirectory(prefix="foss-status-") as temporary,
            _opened_copy(folder, Path(temporary)) as instance,
        ):
            yield ReadInstance(instance, folder, Path(temporary))


def _opened_copy(folder: Path, copy: Path) -> "DagsterInstance":
    from dagster import DagsterInstance

    try:
        shutil.copyfile(folder / _CONFIGURATION, copy / _CONFIGURATION)
        _copy_database(folder, copy, _RUNS)
        return DagsterInstance.from_config(str(copy))
    except Exception as error:
        # the storages raise errors of SQLAlchemy, of a driver, or of Dagster
        raise storage_failure(folder, error) from error


def _copy_database(original: Path, copy: Path, path: Path) -> None:
    source, target = original / path, copy / path
    if not source.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _back_up(source, target, "mode=ro")
    except sqlite3.OperationalError:
        # with a write-ahead log, even a reader creates a file beside the database, unless the database is immutable
        _back_up(source, target, "immutable=1")


def _back_up(source: Path, target: Path, how: str) -> None:
    address = f"{source.absolute().as_uri()}?{how}"
    with closing(sqlite3.connect(address, uri=True)) as read, closing(sqlite3.connect(target)) as written:
        read.backup(written)
