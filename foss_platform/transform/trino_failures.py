"""A Trino that fails while dbt runs: noticed in time, and said in the platform's words, which are `lake.trino.connection`'s.

dbt-trino sets no time-out, so that a frozen coordinator would cost each statement three times the client's 30 s; and
of a failure dbt hands on its text alone.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from foss_platform.errors import FossError
from foss_platform.lake.trino.connection import (
    ATTEMPTS,
    REQUEST_SECONDS,
    away,
    http_failure,
    is_about_certificate,
    query_failure,
    untrusted,
)
from foss_platform.lake.trino.session import TrinoSession
from foss_platform.settings import Settings
from foss_platform.transform.handover import stop_of_run

# as trino.exceptions.TrinoQueryError writes itself
_QUERY = re.compile(r'Trino\w*Error\(type=\w+, name=(\w+), message="(.*)", query_id=', re.DOTALL)
_HTTP = re.compile(r"\berror \d{3}\b.*", re.DOTALL)
_AWAY = re.compile(
    r"HTTPS?Connection(Pool)?\(|Connection aborted|Connection refused|Connection reset|Connection broken|timed out"
    r"|Failed to establish a new connection|RemoteDisconnected|NewConnectionError"
)


def failure_in(settings: Settings, text: str) -> FossError | None:
    """What dbt's text about a node, or about itself, says of Trino; None where it tells of something else."""
    if query := _QUERY.search(text):
        return query_failure(query[1], query[2])
    if is_about_certificate(text):
        return untrusted(settings)
    if answer := _HTTP.search(text):
        return http_failure(settings, answer[0])
    return away(settings) if _AWAY.search(text) else None


@contextmanager
def noticed_in_time() -> Iterator[None]:
    """Bound each request that dbt makes of Trino; once it is away, the models that are left do not wait for it too."""
    import trino.dbapi

    session, connect = _Bounded(), trino.dbapi.connect

    def bounded(**arguments: Any) -> Any:
        session.verify = arguments["verify"]
        return connect(**arguments, http_session=session)

    # dbt-trino looks it up at each connection, and has no setting for either
    trino.dbapi.connect = bounded
    try:
        with session:
            yield
    finally:
        trino.dbapi.connect = connect


class _Bounded(TrinoSession):
    """One for all connections of a run, which hangs up for good when nobody answers any more."""

    def __init__(self) -> None:
        super().__init__(verify=True)
        self._unanswered = 0

    def request(self, *arguments: object, **named: object) -> requests.Response:
        """As any, with a time-out."""
        stop_of_run().refuse_if_set()
        if self._unanswered >= ATTEMPTS:
            raise requests.ConnectionError("Connection refused: Trino did not answer before")
        try:
            answer = super().request(*arguments, **{**named, "timeout": REQUEST_SECONDS})
        except (requests.ConnectionError, requests.Timeout):
            self._unanswered += 1
            raise
        self._unanswered = 0
        return answer
