"""Attacks on Trino as the analyst: the prepared lake, refused statements, and plain HTTP requests.

The attacked files are those of `docker/trino`. Statements are sent by a normal client.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
import trino.exceptions

from foss_platform_tests.services.servers.trino import ANALYST
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake

ANSWER_SECONDS = 10.0

Rows = list[list[Any]]

_SCHEMAS = ("bronze", "silver", "gold", "ops")


@contextmanager
def under_attack(stand: TrinoOnLake) -> Iterator[TrinoOnLake]:
    """Create the tables to attack, and check at the end that no attack has changed anything.

    There is a table in each schema, a gold view on bronze, and a reference table in Postgres.
    """
    stand.renew()
    for schema in _SCHEMAS:
        stand.access.rows(f"create schema {schema}")
        stand.access.rows(f"create table {schema}.t as select * from (values 1, 2, 3) as t(n)")
    stand.access.rows("create view gold.shown as select max(n) as n from engineer.bronze.t")
    stand.run_on_postgres("create schema reference", "create table reference.sites as select 1 as n")
    before = _state(stand)
    yield stand
    assert _state(stand) == before


def refusal(stand: TrinoOnLake, statement: str, **settings: object) -> tuple[str, str]:
    """Return the error name and message with which a statement of the analyst is refused."""
    with stand.access.connection(ANALYST, **settings) as connection:
        cursor = connection.cursor()
        with pytest.raises(trino.exceptions.TrinoQueryError) as caught:
            cursor.execute(statement).fetchall()
    assert caught.value.error_name is not None
    return caught.value.error_name, caught.value.message


def ask(
    stand: TrinoOnLake, method: str, path: str, *, user: str = ANALYST, password: str | None = None, **given: Any
) -> requests.Response:
    """Send a request on a new connection, with the user's password by default and without one for ""."""
    secret = stand.access.passwords.get(user, "") if password is None else password
    with requests.Session() as session:
        session.trust_env, session.verify = False, str(stand.access.ca_file)
        return session.request(
            method,
            stand.access.url + path,
            auth=(user, secret) if secret else None,
            timeout=ANSWER_SECONDS,
            allow_redirects=False,
            **given,
        )


def _state(stand: TrinoOnLake) -> list[Rows]:
    """Return everything that an attack could change."""
    ask = stand.access.rows
    counted = [ask(f"select count(*), sum(n) from {schema}.t") for schema in _SCHEMAS]
    snapshots = [ask(f'select snapshot_id from {schema}."t$refs"') for schema in _SCHEMAS]
    history = [ask(f'select count(*) from {schema}."t$snapshots"') for schema in _SCHEMAS]
    tables = ask("select table_schema, table_name, table_type from information_schema.tables order by 1, 2")
    sites = ask("select * from reference.reference.sites")
    properties = [ask(f'select * from {schema}."t$properties"') for schema in _SCHEMAS]
    return [*counted, *snapshots, *history, tables, sites, *properties]
