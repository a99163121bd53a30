"""Checks of the catalog: it answers, and its version is supported. See `lake_checks` for commits to the catalog."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from foss_platform.validation.results import Check, Finding, Service, failed, passed, skipped, warning
from foss_platform.validation.trial import CatalogKind, Trial

if TYPE_CHECKING:
    import requests
    from sqlalchemy import Connection

_OLDEST_POSTGRES = 13
# the oldest version with all features that SQLAlchemy 2 and the statements of maintenance use
_OLDEST_SQLITE = (3, 35)
_CONNECT_SECONDS, _READ_SECONDS = 3.0, 8.0


@contextmanager
def postgres_connection(trial: Trial) -> Iterator["Connection"]:
    """Provide a new connection to the catalog's database, with the time-outs of its URI."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    engine = create_engine(str(trial.properties["uri"]), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def ask_rest(trial: Trial) -> "requests.Response":
    """Ask a REST catalog without credentials and return its response. PyIceberg's own request has no time-out."""
    import requests

    uri = str(trial.properties["uri"]).rstrip("/")
    ssl = trial.properties.get("ssl")
    verify = ssl.get("cabundle", True) if isinstance(ssl, Mapping) else True
    warehouse = trial.properties.get("warehouse")
    params = {"warehouse": str(warehouse)} if warehouse else {}
    return requests.get(f"{uri}/v1/config", params=params, timeout=(_CONNECT_SECONDS, _READ_SECONDS), verify=verify)


def catalog_answers(trial: Trial) -> Finding:
    """The catalog can be reached, and lists its namespaces."""
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.lake.store.failures import lake_failures

    if trial.has_no_lake_yet:
        return skipped(f"there is no lake at {trial.database.parent} yet. The first run creates it", blocks=True)
    with lake_failures():
        if trial.kind is CatalogKind.REST:
            answer = ask_rest(trial)
            if answer.status_code >= 500:
                return failed(
                    f"the REST catalog answers with status {answer.status_code}",
                    "Read the log of the REST catalog.",
                )
        elif trial.kind is CatalogKind.POSTGRES:
            with postgres_connection(trial):
                pass
        # the ownership of the lake has its own check
        namespaces = open_catalog(trial.settings, create=False, judge=False).list_namespaces()
    return passed(f"{trial.kind} answers, with {len(namespaces)} namespaces")


def catalog_version(trial: Trial) -> Finding:
    """The catalog has a version that the platform is tested with."""
    from foss_platform.lake.store.failures import lake_failures

    with lake_failures():
        if trial.kind is CatalogKind.REST:
            return _rest_version(ask_rest(trial))
        if trial.kind is CatalogKind.POSTGRES:
            return _postgres_version(trial)
    return _sqlite_state(trial)


def _postgres_version(trial: Trial) -> Finding:
    from sqlalchemy import text

    with postgres_connection(trial) as connection:
        number = int(connection.execute(text("select current_setting('server_version_num')")).scalar_one())
        used = int(connection.execute(text("select count(*) from pg_stat_activity")).scalar_one())
        allowed = int(connection.execute(text("select current_setting('max_connections')")).scalar_one())
    version = f"Postgres {number // 10_000}.{number % 10_000}, {used} of {allowed} connections in use"
    if number // 10_000 < _OLDEST_POSTGRES:
        return failed(version, f"Upgrade Postgres: {_OLDEST_POSTGRES} is the oldest supported version.")
    if used > 0.9 * allowed:
        return warning(version, "Raise its max_connections, or find out which clients use so many.")
    return passed(version)


def _rest_version(answer: "requests.Response") -> Finding:
    if answer.status_code in (401, 403):
        # this request has no credentials, but `catalog_answers` has passed with PyIceberg's, so this is no failure
        return passed("the REST catalog requires credentials, and accepted those of PyIceberg")
    try:
        config: Any = answer.json()
    except ValueError:
        config = None
    if answer.status_code != 200 or not isinstance(config, dict) or not {"defaults", "overrides"} <= config.keys():
        return failed(
            f"/v1/config answers with status {answer.status_code} and no configuration",
            "Check that the catalog's uri is that of an Iceberg REST catalog, without /v1.",
        )
    return passed(f"protocol v1, {len(config.get('endpoints') or ())} endpoints listed")


def _sqlite_state(trial: Trial) -> Finding:
    version = f"SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        return failed(version, f"Use a Python whose SQLite is {'.'.join(map(str, _OLDEST_SQLITE))} or newer.")
    connection = sqlite3.connect(f"{trial.database.absolute().as_uri()}?mode=rw", uri=True, timeout=5)
    try:
        (sound,) = connection.execute("pragma quick_check(1)").fetchone()
    finally:
        connection.close()
    if sound != "ok":
        return failed(f"{trial.database} is damaged: {sound.splitlines()[-1]}", "Restore it from a backup.")
    return passed(f"{version}, {trial.database} is not damaged")


def polls_are_atomic(trial: Trial) -> Finding:
    """The three tables of a poll are committed in one transaction, or the next poll completes them after a crash."""
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.lake.connect.staged import commits_together
    from foss_platform.lake.store.failures import lake_failures

    with lake_failures():
        together = commits_together(open_catalog(trial.settings, create=False, judge=False))
        if trial.kind is not CatalogKind.REST:
            return passed("all tables of a poll are committed in one transaction, or none")
        if not together:
            return passed("tables are committed one by one. After a crash, the next poll completes the poll log")
        from foss_platform.lake.connect.rest import COMMITS_TOGETHER, LISTED_TRANSACTION

        answer = ask_rest(trial)
    listed = answer.json().get("endpoints") if answer.status_code == 200 else None
    if listed and LISTED_TRANSACTION not in listed:
        return failed("the REST catalog does not list transactions/commit", f"Remove the property {COMMITS_TOGETHER}.")
    return passed(f"all tables of a poll are committed together. That this is atomic is what {COMMITS_TOGETHER} claims")


def _not_reached(trial: Trial) -> str:
    if trial.kind is CatalogKind.SQLITE:
        return f"Check that {trial.database} can be read and written, and that no other process has locked it."
    return f"Check that {trial.kind} is running and reachable from here. Check the catalog's address and credentials."


def _not_supported(trial: Trial) -> str:
    if trial.kind is CatalogKind.SQLITE:
        return f"Check {trial.database}, or restore it from a backup."
    return f"Check the log and the version of {trial.kind}."


CHECKS = (
    Check(
        "catalog_answers",
        Service.CATALOG,
        "The catalog can be reached and lists its namespaces.",
        catalog_answers,
        _not_reached,
    ),
    Check(
        "polls_are_atomic",
        Service.CATALOG,
        "A poll's tables are committed all or none, or completed after a crash.",
        polls_are_atomic,
        _not_reached,
        needs=("catalog_answers",),
    ),
    Check(
        "catalog_supported",
        Service.CATALOG,
        "The catalog is not damaged, and its version is supported.",
        catalog_version,
        _not_supported,
        needs=("catalog_answers",),
    ),
)
