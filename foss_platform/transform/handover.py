"""Hands the settings and the manifest to the plugin, which dbt creates by itself.

The settings cannot be in the profile: dbt hashes the profile and parses the whole project again (4 s) if the profile
differs between homes. In one process only one dbt runs at a time, so one variable and a lock are enough. A context
variable would not work, because dbt has its own threads.
"""

import threading
import weakref
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from foss_platform.errors import TransientError
from foss_platform.lake.table.names import TableName
from foss_platform.settings import Settings, load_settings

if TYPE_CHECKING:
    import duckdb

_LOCK = threading.Lock()
_UNDER_WAY: "list[RunInput]" = []


class Stop:
    """Stops a dbt run from another thread. dbt itself can only be interrupted in the main thread of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_set = False
        self._cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()

    def set(self) -> None:
        """Interrupt DuckDB's running statements, and refuse the nodes that are left."""
        import duckdb

        with self._lock:
            self._is_set = True
            for cursor in list(self._cursors):
                # dbt may have closed the cursor meanwhile
                with suppress(duckdb.ConnectionException):
                    cursor.interrupt()

    def refuse_if_set(self) -> None:
        """Raise an error if the run was stopped. Called before every request to an engine.

        Raises
        ------
        TransientError
            If the run was stopped.
        """
        if self._is_set:
            raise TransientError("The run was stopped.")

    def watch(self, cursor: "duckdb.DuckDBPyConnection") -> None:
        """Also interrupt this cursor if the run is stopped."""
        with self._lock:
            self.refuse_if_set()
            self._cursors.add(cursor)


@dataclass(frozen=True)
class RunInput:
    """The plugin's input for one run of dbt.

    Attributes
    ----------
    manifest_file
        The manifest of the parsed copy that dbt runs on. None while dbt parses, and for dbt that was started by hand.
    tables
        The tables that the run may open. None for a run whose nodes are unknown, which opens all tables.
    """

    settings: Settings
    manifest_file: Path | None = None
    tables: Collection[TableName] | None = None
    stop: Stop = field(default_factory=Stop)


@contextmanager
def dbt_with(run: RunInput) -> Iterator[None]:
    """Give this input to dbt's plugin. A second call waits until the first has ended."""
    with _LOCK:
        _UNDER_WAY.append(run)
        try:
            yield
        finally:
            _UNDER_WAY.pop()


def current_run() -> RunInput:
    """Return the input of the current dbt run. If `dbt` was started by hand, the settings come from the environment."""
    return _UNDER_WAY[-1] if _UNDER_WAY else RunInput(load_settings())
