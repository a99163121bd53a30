"""A REST catalog whose waits are bounded and whose commits are in order. Its requests are PyIceberg's.

PyIceberg's REST client has no time-out (0.12): a server that accepts and never answers, or that itself waits for
a store which does, held a commit for over nine minutes.
"""

from typing import Any

import requests
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.update import TableRequirement, TableUpdate
from requests.adapters import HTTPAdapter

from foss_platform.lake.connect.commit_order import in_order
from foss_platform.lake.connect.guard import guarded

#: Seconds to connect, and between two bytes of an answer.
CONNECT_SECONDS, READ_SECONDS = 3.0, 15.0


class BoundedAdapter(HTTPAdapter):
    """Gives every request that names no time-out of its own one."""

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        """As `HTTPAdapter.send`."""
        if options.get("timeout") is None:
            options["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
        return super().send(request, *arguments, **options)


@guarded
class BoundedRestCatalog(RestCatalog):
    """A REST catalog that answers in time or raises `requests.Timeout`, from the first question for its settings on.

    A commit that timed out may have landed all the same: who tries again asks the rows.
    """

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """As `RestCatalog.commit_table`; a snapshot is never older than the last commit, whatever this clock says."""
        # the server stamps what is no snapshot
        response: CommitTableResponse = super().commit_table(table, requirements, in_order(table.metadata, updates))
        return response

    # a private name of PyIceberg's: it offers no other way to its sessions;
    # services/lake/test_catalog_faults.py notices when it is gone
    def _create_session(self) -> requests.Session:
        session = super()._create_session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, BoundedAdapter())
        return session
