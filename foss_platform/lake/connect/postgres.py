"""Bounding how long a catalog on Postgres is waited for. Nothing else: what it is asked is PyIceberg's.

The server ends its own statements in time (`catalog_configuration`), and libpq bounds connecting. Neither helps with a
server that stands still with its connections open: libpq then waits for ever, and so did a commit.
"""

import os
from contextlib import AbstractContextManager
from typing import Any

from pyiceberg.catalog import Catalog
from sqlalchemy import Engine, event

from foss_platform.lake.connect.watchdog import watchdog_of

#: A little more than the server gives a statement itself.
ANSWER_SECONDS = 17.0


def bound_waiting(catalog: Catalog) -> Catalog:
    """The same catalog; one on Postgres answers in time or raises `sqlalchemy.exc.OperationalError`.

    A commit that timed out may have landed all the same: who tries again asks the rows.
    """
    engine = getattr(catalog, "engine", None)
    if isinstance(engine, Engine) and engine.dialect.driver == "psycopg2":
        event.listen(engine, "do_connect", _with_factory)
        # the connection that the catalog has made already is not bounded
        engine.dispose()
    return catalog


def _with_factory(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
    # here, so that a lake on files does without the driver
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
    """End the connection after its time: libpq then raises, as if the server had closed it."""
    return watchdog_of(os.getpid(), ANSWER_SECONDS).watching(descriptor)
