"""Points of a commit at which a process can end: counts them, and kills the process at a given one.

There are points before and after each table's commit, before and after a data file is written, and around each
statement that changes the catalog. PyIceberg sends that statement after it has written the new metadata file. A REST
catalog receives a request after the manifests are written, and writes the metadata file itself.
"""

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from pyiceberg.catalog import Catalog
from pyiceberg.io.pyarrow import write_file
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from sqlalchemy import Engine, event

from foss_platform.ingest.bronze import commit_polls as bronze
from foss_platform.ingest.bronze import poll_log
from foss_platform.ingest.bronze import poll_once as ingest
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.connect.rest import BoundedAdapter
from foss_platform.lake.files import data_files
from foss_platform.lake.table.names import TableName

SET_UP = "set-up"
HEALING = "repair: "
NOT_YET_TOLD = "metadata written, catalog statement not sent"
TOLD = "catalog statement sent, not committed"
#: Points of a REST catalog. At the second one the commit has succeeded, but the client does not know it.
NOT_YET_ASKED = "manifests written, request not sent"
ANSWERED = "request sent, response not read"


class Points:
    """Names the points that this process reaches, and kills it with SIGKILL at a point given by number or name.

    Use it only in a separate process, because the hooks are not removed.
    """

    def __init__(self, kill_at: int | str | None) -> None:
        self.reached: list[str] = []
        self._kill_at = kill_at
        self._table = SET_UP
        self._prefix = ""
        for module in (bronze, poll_log):
            patch.object(module, "commit", self._commit).start()
        patch.object(ingest, "repair_poll_log", self._heal).start()
        patch.object(data_files, "write_file", self._write_file).start()
        patch.object(BoundedAdapter, "send", self._requested(BoundedAdapter.send)).start()
        event.listen(Engine, "before_cursor_execute", self._statement(NOT_YET_TOLD))
        event.listen(Engine, "after_cursor_execute", self._statement(TOLD))

    def at(self, table: TableName) -> None:
        """Set the table of the next points."""
        self._table = f"{self._prefix}{table}"

    def reach(self, what: str) -> None:
        """Record a point, and end the process if it is the given one."""
        self.reached.append(f"{self._table}: {what}")
        if self._kill_at in (len(self.reached) - 1, self.reached[-1]):
            os.kill(os.getpid(), signal.SIGKILL)

    def _heal(self, *arguments: Any) -> poll_log.RepairedLog:
        # whether a repair is needed depends on the previous tick, so these points have names of their own
        self._prefix = HEALING
        try:
            return poll_log.repair_poll_log(*arguments)
        finally:
            self._prefix = ""

    def _commit(self, catalog: Catalog, name: TableName, plan: Callable[[Table], Change | None]) -> Table:
        self.at(name)
        self.reach("before the commit")
        table = commit(catalog, name, plan)
        self.reach("after the commit")
        return table

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
