"""How settings reach the plugin that dbt makes for itself.

dbt hashes the profile, and parses the whole project anew (4 s) where it differs, so nothing that
differs between homes may stand in it. dbt in process runs once at a time anyway, hence one place and a
lock; a context variable would not do, since dbt works in threads of its own.
"""

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from foss_platform.errors import PassingError
from foss_platform.settings import Settings, load_settings

if TYPE_CHECKING:
    import duckdb

_LOCK = threading.Lock()
_UNDER_WAY: "list[tuple[Settings, Stop]]" = []


class Stop:
    """Ends a dbt run from another thread: dbt itself can only be interrupted in a process's main thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_set = False
        self._cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()

    def set(self) -> None:
        """Interrupt what DuckDB works on, and refuse each node that is left."""
        with self._lock:
            self._is_set = True
            for cursor in list(self._cursors):
                cursor.interrupt()

    def refuse_if_set(self) -> None:
        """Called before anything is asked of an engine.

        Raises
        ------
        PassingError
            When the run was stopped.
        """
        if self._is_set:
            raise PassingError("The run was stopped.")

    def watch(self, cursor: "duckdb.DuckDBPyConnection") -> None:
        """Interrupt this cursor too when the run is stopped."""
        with self._lock:
            self.refuse_if_set()
            self._cursors.add(cursor)


@contextmanager
def dbt_with(settings: Settings, stop: Stop | None = None) -> Iterator[None]:
    """Let dbt's plugin work with these settings; a second call waits for the first to end."""
    with _LOCK:
        _UNDER_WAY.append((settings, stop or Stop()))
        try:
            yield
        finally:
            _UNDER_WAY.pop()


def handed_over() -> Settings:
    """The settings of the dbt run under way; a `dbt` started by hand has the environment's."""
    return _UNDER_WAY[-1][0] if _UNDER_WAY else load_settings()


def stop_of_run() -> Stop:
    """What ends the dbt run under way; of a `dbt` started by hand nothing does."""
    return _UNDER_WAY[-1][1] if _UNDER_WAY else Stop()
