"""Failures of Trino while dbt runs: detected in time, and reported as the errors of `lake.trino.connection`.

dbt-trino sets no time-out, so a frozen coordinator would cost each statement three times the client's 30 s. And dbt
passes on only the text of a failure.
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
from foss_platform.transform.handover import current_run

# the text format of trino.exceptions.TrinoQueryError
_QUERY = re.compile(r'Trino\w*Error\(type=\w+, name=(\w+), message="(.*)", query_id=', re.DOTALL)
_HTTP = re.compile(r"\berror \d{3}\b.*", re.DOTALL)
_AWAY = re.compile(
    r"HTTPS?Connection(Pool)?\(|Connection aborted|Connection refused|Connection reset|Connection broken|timed out"
    r"|Failed to establish a new connection|RemoteDisconnected|NewConnectionError"
)


def failure_in(settings: Settings, text: str) -> FossError | None:
    """Return the failure of Trino that dbt's text describes. None if the text describes something else."""
    if query := _QUERY.search(text):
        return query_failure(query[1], query[2])
    if is_about_certificate(text):
        return untrusted(settings)
    if answer := _HTTP.search(text):
        return http_failure(settings, answer[0])
    return away(settings) if _AWAY.search(text) else None


@contextmanager
def request_timeouts() -> Iterator[None]:
    """Limit the time of each request from dbt to Trino. Once Trino is unreachable, the remaining models do not wait."""
    import trino.dbapi

    session, connect = _Bounded(), trino.dbapi.connect

    def bounded(**arguments: Any) -> Any:
        session.verify = arguments["verify"]
        return connect(**arguments, http_session=session)

    # dbt-trino has no setting for a session or a time-out, but looks this function up at each connection: replace it
    trino.dbapi.connect = bounded
    try:
        with session:
            yield
    finally:
        trino.dbapi.connect = connect


class _Bounded(TrinoSession):
    """The session of all connections of a run. It stops sending requests once Trino no longer answers."""

    def __init__(self) -> None:
        super().__init__(verify=True)
        self._unanswered = 0

    def request(self, *arguments: object, **named: object) -> requests.Response:
        """Send a request with a time-out."""
        current_run().stop.refuse_if_set()
        if self._unanswered >= ATTEMPTS:
            raise requests.ConnectionError("Connection refused: Trino did not answer earlier requests")
        try:
            answer = super().request(*arguments, **{**named, "timeout": REQUEST_SECONDS})
        except (requests.ConnectionError, requests.Timeout):
            self._unanswered += 1
            raise
        self._unanswered = 0
        return answer
