"""Time limits for a catalog on Postgres.

The server limits its own statements (`catalog_configuration`), and libpq limits connecting. Neither limit applies if
a server hangs with its connections open: libpq then waits forever. A commit once hung in this way.
"""

import os
from contextlib import AbstractContextManager
from typing import Any

from pyiceberg.catalog import Catalog
from sqlalchemy import Engine, event

from foss_platform.lake.connect.watchdog import watchdog_of

#: Slightly more than the server's own limit for a statement.
ANSWER_SECONDS = 17.0


def set_timeouts(catalog: Catalog) -> Catalog:
    """Return the same catalog with a time limit. On Postgres, a statement that takes longer raises
    `sqlalchemy.exc.OperationalError`.

    A commit that timed out may still have succeeded. Before a retry, check the rows.
    """
    engine = getattr(catalog, "engine", None)
    if isinstance(engine, Engine) and engine.dialect.driver == "psycopg2":
        event.listen(engine, "do_connect", _with_factory)
        # The catalog has already opened a connection without the time limit. Close it.
        engine.dispose()
    return catalog


def _with_factory(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
    # Imported here so that a lake on files does not need the driver.
    from psycopg2 import extensions

    class BoundedCursor(extensions.cursor):
        def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002  # psycopg2's own name
            with _bounded(self.connection.fileno()):
                super().execute(query, vars)

    class BoundedConnection(extensions.connection):
        def cursor(self, *arguments: Any, **options: Any) -> Any:
            return super().cursor(*arguments, **{"cursor_factory": BoundedCursor, **options})

        def commit(self) -> None:
            with _bounded(self.fileno()):
                super().commit()

        def rollback(self) -> None:
            with _bounded(self.fileno()):
                super().rollback()

    parameters["connection_factory"] = BoundedConnection


def _bounded(descriptor: int) -> AbstractContextManager[None]:
    """Return a context that closes the connection after the time limit. libpq then raises, as if the server had
    closed it.
    """
    return watchdog_of(os.getpid(), ANSWER_SECONDS).watching(descriptor)
