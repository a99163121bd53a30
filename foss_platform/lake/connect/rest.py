"""A REST catalog with time limits and ordered commits. By default, it commits one table after the other.

Iceberg's REST protocol also has a commit of several tables, `POST …/transactions/commit`. Several servers check all
tables first and then commit table by table, and a client cannot tell. So it is used only if the catalog's property
`commits-together` is true.

PyIceberg's REST client has no timeout (0.12). A commit hung for over nine minutes on a server that accepts
connections and never answers. The same happens if the server waits for a store that never answers.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import requests
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.table import CommitTableRequest, CommitTableResponse, Namespace, Table, TableIdentifier
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.typedef import Identifier
from pyiceberg.utils.properties import property_as_bool
from requests.adapters import HTTPAdapter

from foss_platform.errors import ConfigurationError, PermanentError, TransientError
from foss_platform.lake.connect.commit_order import in_order
from foss_platform.lake.connect.guard import guarded
from foss_platform.lake.connect.staged import ConflictError, Staged

#: The catalog's property: whether its server commits several tables all or none.
COMMITS_TOGETHER = "commits-together"
#: The commit of several tables in a server's list of its endpoints.
LISTED_TRANSACTION = "POST /v1/{prefix}/transactions/commit"

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

    @property
    def commits_together(self) -> bool:
        """See `StagingCatalog`."""
        return property_as_bool(self.properties, COMMITS_TOGETHER, False)

    def load_tables(self, identifiers: Sequence[Identifier]) -> dict[Identifier, Table]:
        """See `StagingCatalog.load_tables`."""
        found = {}
        for identifier in identifiers:
            with suppress(NoSuchTableError):
                found[identifier] = self.load_table(identifier)
        return found

    def stage(
        self, base: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> Staged:
        """See `StagingCatalog.stage`. The server checks the requirements and writes the metadata."""
        return Staged(base, requirements, in_order(base.metadata, updates))

    def switch(self, staged: Sequence[Staged]) -> list[Table]:
        """See `StagingCatalog.switch`."""
        if len(staged) > 1:
            self._commit_transaction(staged)
            return [self.load_table(change.identifier) for change in staged]
        tables = []
        for change in staged:
            base = change.base
            try:
                answer = super().commit_table(base, change.requirements, change.updates)
            except CommitFailedException as error:
                raise ConflictError([change.identifier]) from error
            tables.append(
                Table(change.identifier, answer.metadata, answer.metadata_location, base.io, self, base.config)
            )
        return tables

    def _commit_transaction(self, staged: Sequence[Staged]) -> None:
        if not self.commits_together:
            raise PermanentError(
                "This REST catalog commits one table after the other, but several were to be committed."
            )
        changes = ",".join(_request(change).model_dump_json() for change in staged)
        answer = self._requests.post(self.url("transactions/commit"), data=f'{{"table-changes": [{changes}]}}'.encode())
        if answer.status_code == 409:
            current = {change.identifier: self.load_table(change.identifier) for change in staged}
            raise ConflictError(
                [c.identifier for c in staged if current[c.identifier].metadata_location != c.base.metadata_location]
            )
        if answer.status_code >= 500:
            raise TransientError(
                f"The REST catalog failed during a commit of several tables (HTTP {answer.status_code}).",
                "See its log. A batch that is already committed is not committed again.",
            )
        if answer.status_code >= 400:
            raise ConfigurationError(
                f"The REST catalog refused a commit of several tables (HTTP {answer.status_code}).",
                f"If it has no transactions/commit, remove the property {COMMITS_TOGETHER} of catalog 'lake'.",
            )

    # A private name of PyIceberg, which offers no other access to its sessions.
    # services/lake/test_catalog_faults.py fails if the name disappears.
    def _create_session(self) -> requests.Session:
        session = super()._create_session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, BoundedAdapter())
        self._requests = session
        return session


def _request(change: Staged) -> CommitTableRequest:
    *namespace, name = change.identifier
    return CommitTableRequest(
        identifier=TableIdentifier(namespace=Namespace(namespace), name=name),
        requirements=change.requirements,
        updates=change.updates,
    )
