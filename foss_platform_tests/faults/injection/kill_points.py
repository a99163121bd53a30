"""Points of a commit at which a process can end: counts them, and kills the process at a given one.

There are points around the staging of each table, around each data file, around the switch of all tables and each of
its statements, before the transaction of the database is committed, and around the deletion of the files of a change
that lost a conflict. A REST catalog receives a request after the manifests are written, and writes the metadata file
itself.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest.mock import patch

from pyiceberg.catalog import Catalog
from pyiceberg.io.pyarrow import write_file
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from sqlalchemy import Engine, event

from foss_platform.lake.commit import commit_with_retry
from foss_platform.lake.commit.change import Change
from foss_platform.lake.commit.stage_change import StagedChange, discard, stage_change
from foss_platform.lake.connect.guard import GuardedSqlCatalog
from foss_platform.lake.connect.rest import BoundedAdapter, BoundedRestCatalog
from foss_platform.lake.connect.staged import Staged
from foss_platform.lake.files import data_files
from foss_platform.lake.table.names import TableName

SET_UP = "set-up"
#: The table of the points of a switch of several tables.
TOGETHER = "all tables"
NOT_YET_TOLD = "catalog statement not sent"
TOLD = "catalog statement sent, not committed"
COMMITTING = "all statements sent, not committed"
#: Points of a REST catalog. At the second one the commit has succeeded, but the client does not know it.
NOT_YET_ASKED = "manifests written, request not sent"
ANSWERED = "request sent, response not read"
SWITCHED = "after the switch"


class Points:
    """Names the points that this process reaches, and kills it with SIGKILL at a point given by number or name.

    Use it only in a separate process, because the hooks are not removed.
    """

    def __init__(self, kill_at: int | str | None) -> None:
        self.reached: list[str] = []
        self._kill_at = kill_at
        # tables are staged in several threads
        self._here = threading.local()
        patch.object(commit_with_retry, "stage_change", self._stage).start()
        patch.object(commit_with_retry, "discard", self._discard).start()
        patch.object(data_files, "write_file", self._write_file).start()
        for kind in (GuardedSqlCatalog, BoundedRestCatalog):
            patch.object(kind, "switch", self._switched(kind.switch)).start()
        patch.object(BoundedAdapter, "send", self._requested(BoundedAdapter.send)).start()
        event.listen(Engine, "before_cursor_execute", self._statement(NOT_YET_TOLD))
        event.listen(Engine, "after_cursor_execute", self._statement(TOLD))
        event.listen(Engine, "commit", lambda _: self.reach(COMMITTING))

    def at(self, table: object) -> None:
        """Set the table of the next points."""
        self._here.table = str(table)

    def reach(self, what: str) -> None:
        """Record a point, and end the process if it is the given one."""
        point = f"{getattr(self._here, 'table', SET_UP)}: {what}"
        self.reached.append(point)
        if self._kill_at in (len(self.reached) - 1, point):
            os.kill(os.getpid(), signal.SIGKILL)

    def _stage(self, catalog: Catalog, table: Table, change: Change) -> StagedChange | None:
        self.at(TableName(*table.name()))
        self.reach("before it is staged")
        staged = stage_change(catalog, table, change)
        self.reach("staged")
        return staged

    def _discard(self, change: StagedChange) -> None:
        self.at(TableName(*change.staged.identifier))
        self.reach("before its files are deleted")
        discard(change)
        self.reach("its files are deleted")

    def _switched(self, switch: Callable[..., list[Table]]) -> Callable[..., list[Table]]:
        def switched(catalog: Catalog, staged: Sequence[Staged]) -> list[Table]:
            self.at(TOGETHER if len(staged) > 1 else TableName(*staged[0].identifier))
            tables = switch(catalog, staged)
            self.reach(SWITCHED)
            return tables

        return switched

    def _write_file(self, *arguments: Any) -> Iterator[DataFile]:
        self.reach("data file to be written")
        written = list(write_file(*arguments))
        self.reach("data file written")
        return iter(written)

    def _requested(self, send: Callable[..., Response]) -> Callable[..., Response]:
        def requested(adapter: HTTPAdapter, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:
            if request.method != "POST":
                return send(adapter, request, *arguments, **options)
            self.reach(NOT_YET_ASKED)
            answer = send(adapter, request, *arguments, **options)
            self.reach(ANSWERED)
            return answer

        return requested

    def _statement(self, what: str) -> Callable[..., None]:
        def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if statement.lstrip().upper().startswith(("INSERT", "UPDATE", "CREATE")):
                self.reach(what)

        return listen
