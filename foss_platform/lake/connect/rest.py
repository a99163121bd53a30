"""A REST catalog with time limits and ordered commits.

PyIceberg's REST client has no timeout (0.12). A commit hung for over nine minutes on a server that accepts
connections and never answers. The same happens if the server waits for a store that never answers.
"""

from typing import Any

import requests
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.update import TableRequirement, TableUpdate
from requests.adapters import HTTPAdapter

from foss_platform.lake.connect.commit_order import in_order
from foss_platform.lake.connect.guard import guarded

#: Seconds to connect, and seconds between two bytes of an answer.
CONNECT_SECONDS, READ_SECONDS = 3.0, 15.0


class BoundedAdapter(HTTPAdapter):
    """Sets a timeout on every request that has none."""

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        """As `HTTPAdapter.send`."""
        if options.get("timeout") is None:
            options["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
        return super().send(request, *arguments, **options)


@guarded
class BoundedRestCatalog(RestCatalog):
    """A REST catalog whose requests raise `requests.Timeout` after the time limit, including its first request for
    the catalog's configuration.

    A commit that timed out may still have succeeded. Before a retry, check the rows.
    """

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """As `RestCatalog.commit_table`, but a snapshot is never older than the last commit, even if this machine's
        clock is behind.
        """
        # The server sets the time of everything except snapshots.
        response: CommitTableResponse = super().commit_table(table, requirements, in_order(table.metadata, updates))
        return response

    # A private name of PyIceberg, which offers no other access to its sessions.
    # services/lake/test_catalog_faults.py fails if the name disappears.
    def _create_session(self) -> requests.Session:
        session = super()._create_session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, BoundedAdapter())
        return session
