"""Maintains a table in a separate process that can be killed at a point of the maintenance."""

import os
import signal
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import time_machine
from pyiceberg.catalog import Catalog
from pyiceberg.io.pyarrow import write_file
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from sqlalchemy import Engine, event

from foss_platform.lake.commit import commit_with_retry
from foss_platform.lake.commit.commit_with_retry import Change, apply_change
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files import data_files
from foss_platform.lake.files.table_files import Storage
from foss_platform.lake.maintenance import compaction
from foss_platform.lake.maintenance import log as maintenance_log
from foss_platform.lake.maintenance.maintain import maintain
from foss_platform.lake.maintenance.unreferenced_files import NOTES
from foss_platform.lake.snapshots.pins import pin_state
from foss_platform.lake.snapshots.points import Point
from foss_platform.lake.table.names import TableName
from foss_platform.settings import Settings
from foss_platform_tests.faults.maintenance.table_model import NAME


class MaintenancePoints:
    """Names the maintenance points that this process reaches, and kills it with SIGKILL at a point given by number.

    There are points before and after a pin, a data file, the notes, each deletion and each commit, and around each
    statement that changes the catalog. Use it only in a separate process, because the hooks are not removed.
    """

    def __init__(self, kill_at: int | None) -> None:
        self.reached: list[str] = []
        self._kill_at = kill_at
        self._table = ""
        self._write_whole = Storage.write_whole
        self._delete = Storage.delete
        patch.object(commit_with_retry, "pin_state", self._pin).start()
        patch.object(data_files, "write_file", self._write_file).start()
        for module in (compaction, maintenance_log):
            patch.object(module, "apply_change", self._commit).start()
        points = self
        patch.object(Storage, "write_whole", lambda storage, *arguments: points._note(storage, *arguments)).start()
        patch.object(Storage, "delete", lambda storage, path: points._delete_file(storage, path)).start()
        event.listen(Engine, "before_cursor_execute", self._statement("metadata written, catalog statement not sent"))
        event.listen(Engine, "after_cursor_execute", self._statement("catalog statement sent, not committed"))

    def reach(self, what: str) -> None:
        """Record a point, and end the process if it is the given one."""
        self.reached.append(f"{self._table}: {what}")
        if self._kill_at == len(self.reached) - 1:
            os.kill(os.getpid(), signal.SIGKILL)

    def _around(self, what: str, act: Callable[[], Any]) -> Any:
        self.reach(f"before {what}")
        done = act()
        self.reach(f"after {what}")
        return done

    def _pin(self, table: Table, now: datetime) -> Point | None:
        pinned: Point | None = self._around("the pin", lambda: pin_state(table, now))
        return pinned

    def _write_file(self, *arguments: Any) -> Iterator[DataFile]:
        written: list[DataFile] = self._around("a data file", lambda: list(write_file(*arguments)))
        return iter(written)

    def _commit(self, catalog: Catalog, name: TableName, plan: Callable[[Table], Change | None]) -> Table:
        self._table = str(name)
        table: Table = self._around("the commit", lambda: apply_change(catalog, name, plan))
        return table

    def _note(self, storage: Storage, name: str, content: bytes) -> str:
        if name != NOTES:
            return self._write_whole(storage, name, content)
        location: str = self._around("the notes", lambda: self._write_whole(storage, name, content))
        return location

    def _delete_file(self, storage: Storage, path: str) -> None:
        self._around("a deletion", lambda: self._delete(storage, path))

    def _statement(self, what: str) -> Callable[..., None]:
        def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if statement.lstrip().upper().startswith(("INSERT", "UPDATE", "CREATE")):
                self.reach(what)

        return listen


def maintenance(home: Path, moment: datetime, kill_at: int | None = None) -> list[str]:
    """Maintain the table at a moment and return the points that were passed. Runs in a separate process."""
    with time_machine.travel(moment, tick=False):
        points = MaintenancePoints(kill_at)
        maintain(open_catalog(Settings(home=home)), NAME, moment, trigger="maintenance")
        return points.reached
