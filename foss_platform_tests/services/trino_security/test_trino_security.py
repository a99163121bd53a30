"""Who logs in to Trino as analyst reads silver and gold, and nothing else: every attack is refused, with its reason.

The files under attack are those of `docker/trino`. Statements come in as any client's do, the rest as plain requests.
"""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import tenacity
import trino.exceptions

from foss_platform_tests.services.servers.listening import listening
from foss_platform_tests.services.servers.trino import ANALYST, ENGINEER, HOST
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake

_SCHEMAS = ("bronze", "silver", "gold", "ops")
_ANSWER_SECONDS = 10.0

Rows = list[list[Any]]


@pytest.fixture(scope="module")
def attacked(trino_on_folder: TrinoOnLake) -> TrinoOnLake:
    """A table in each schema, a view over bronze that gold shows, and a reference table in Postgres."""
    stand = trino_on_folder
    stand.renew()
    for schema in _SCHEMAS:
        stand.access.rows(f"create schema {schema}")
        stand.access.rows(f"create table {schema}.t as select * from (values 1, 2, 3) as t(n)")
    stand.access.rows("create view gold.shown as select max(n) as n from engineer.bronze.t")
    stand.run_on_postgres("create schema reference", "create table reference.sites as select 1 as n")
    return stand


def _state(stand: TrinoOnLake) -> list[Rows]:
    """All that an attack could have changed."""
    ask = stand.access.rows
    counted = [ask(f"select count(*), sum(n) from {schema}.t") for schema in _SCHEMAS]
    snapshots = [ask(f'select snapshot_id from {schema}."t$refs"') for schema in _SCHEMAS]
    history = [ask(f'select count(*) from {schema}."t$snapshots"') for schema in _SCHEMAS]
    tables = ask("select table_schema, table_name, table_type from information_schema.tables order by 1, 2")
    sites = ask("select * from reference.reference.sites")
    properties = [ask(f'select * from {schema}."t$properties"') for schema in _SCHEMAS]
    return [*counted, *snapshots, *history, tables, sites, *properties]


@pytest.fixture(autouse=True, scope="module")
def _nothing_was_changed(attacked: TrinoOnLake) -> Iterator[None]:
    before = _state(attacked)
    yield
    assert _state(attacked) == before


def _refusal(stand: TrinoOnLake, statement: str, **settings: object) -> tuple[str, str]:
    """By what name and message a statement of the analyst is refused."""
    with stand.access.connection(ANALYST, **settings) as connection:
        cursor = connection.cursor()
        with pytest.raises(trino.exceptions.TrinoQueryError) as caught:
            cursor.execute(statement).fetchall()
    assert caught.value.error_name is not None
    return caught.value.error_name, caught.value.message


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("select n from gold.t order by n", [[1], [2], [3]]),
        ("select count(*) from silver.t", [[3]]),
        # its owner may read bronze, and shows what he chose
        ("select n from gold.shown", [[3]]),
        ("select count(*) from gold.t for timestamp as of current_timestamp - interval '0.01' second", [[3]]),
        ('select count(*) from gold."t$snapshots"', [[1]]),
        ("select s.n from reference.reference.sites as s join gold.t on t.n = s.n", [[1]]),
        ("show catalogs", [["analyst"], ["reference"], ["system"]]),
        ("show schemas", [["gold"], ["silver"]]),
        ("show schemas from reference", [["reference"]]),
    ],
)
def test_an_analyst_reads_what_is_for_him(attacked: TrinoOnLake, statement: str, rows: Rows) -> None:
    assert attacked.access.rows(statement, ANALYST) == rows


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("insert into gold.t values 4", "Cannot insert into table analyst.gold.t"),
        ("update gold.t set n = 5", "Cannot update columns [n] in table analyst.gold.t"),
        ("delete from gold.t", "Cannot delete from table analyst.gold.t"),
        (
            "merge into gold.t using (values 1) as s(n) on t.n = s.n when matched then delete",
            "Cannot delete from table analyst.gold.t",
        ),
        ("truncate table gold.t", "Cannot truncate table analyst.gold.t"),
        ("create table gold.x (n int)", "Cannot create table analyst.gold.x"),
        ("create table silver.x as select 1 as n", "Cannot create table analyst.silver.x"),
        ("create or replace table gold.t (n int)", "Cannot create table analyst.gold.t"),
        ("drop table gold.t", "Cannot drop table analyst.gold.t"),
        ("create schema mine", "Cannot create schema analyst.mine"),
        ("drop schema gold cascade", "Cannot drop schema analyst.gold"),
        ("alter table gold.t rename to gold.u", "Cannot rename table from analyst.gold.t to analyst.gold.u"),
        ("alter table gold.t add column m int", "Cannot add a column to table analyst.gold.t"),
        ("alter table gold.t set properties format_version = 2", "Cannot set table properties to analyst.gold.t"),
        ("comment on table gold.t is 'x'", "Cannot comment table to analyst.gold.t"),
        ("create view gold.mine as select 1 as n", "Cannot create view analyst.gold.mine"),
        ("drop view gold.shown", "Cannot drop view analyst.gold.shown"),
        ("analyze gold.t", "Cannot ANALYZE (missing insert privilege) table analyst.gold.t"),
        ("insert into reference.reference.sites values 2", "Cannot insert into table reference.reference.sites"),
        ("delete from reference.reference.sites", "Cannot delete from table reference.reference.sites"),
        ("call reference.system.execute('drop table reference.sites')", "Cannot execute procedure reference.system"),
        # by the connector itself: SELECT alone allows these
        (
            "alter table gold.t execute expire_snapshots(retention_threshold => '0s')",
            "Cannot execute table procedure EXPIRE_SNAPSHOTS on gold.t",
        ),
        (
            "alter table gold.t execute remove_orphan_files(retention_threshold => '0s')",
            "Cannot execute table procedure REMOVE_ORPHAN_FILES on gold.t",
        ),
        ("alter table gold.t execute optimize", "Cannot execute table procedure OPTIMIZE on gold.t"),
        (
            "alter table gold.t execute optimize_manifests",
            "Cannot execute table procedure OPTIMIZE_MANIFESTS on gold.t",
        ),
        (
            "alter table gold.t execute rollback_to_snapshot(1)",
            "Cannot execute table procedure ROLLBACK_TO_SNAPSHOT on gold.t",
        ),
        (
            "alter table gold.t execute add_files(location => '/tmp', format => 'PARQUET')",
            "Cannot execute table procedure ADD_FILES on gold.t",
        ),
        (
            "call analyst.system.rollback_to_snapshot('gold', 't', 1)",
            "Cannot execute procedure analyst.system.rollback_to_snapshot",
        ),
        (
            "call analyst.system.register_table('gold', 'u', 'file:///tmp')",
            "Cannot execute procedure analyst.system.register_table",
        ),
        (
            "call analyst.system.unregister_table('gold', 't')",
            "Cannot execute procedure analyst.system.unregister_table",
        ),
        ("select * from bronze.t", "Cannot select from table analyst.bronze.t"),
        ("select * from ops.t", "Cannot select from table analyst.ops.t"),
        *(
            (f'select * from {schema}."t${part}"', f"Cannot select from table analyst.{schema}.t${part}")
            for schema in ("bronze", "ops")
            for part in ("snapshots", "files", "history", "manifests", "partitions", "properties")
        ),
        ("describe bronze.t", "Cannot show columns of table analyst.bronze.t"),
        ("show create table bronze.t", "Cannot show create table for analyst.bronze.t"),
        ("show stats for bronze.t", "Cannot select from table analyst.bronze.t"),
        ("show tables from bronze", "Cannot show tables of schema analyst.bronze"),
        ("explain analyze select * from bronze.t", "Cannot select from table analyst.bronze.t"),
        (
            "select * from table(analyst.system.table_changes('bronze', 't', 1, 1))",
            "Cannot execute function analyst.system.table_changes",
        ),
        ("select * from reference.public.iceberg_tables", "Cannot select from table reference.public.iceberg_tables"),
        (
            "select * from table(reference.system.query(query => 'select * from iceberg_tables'))",
            "Cannot execute function reference.system.query",
        ),
        ("select * from analyst.system.iceberg_tables", "Cannot select from table analyst.system.iceberg_tables"),
        *(
            (statement, "Cannot access catalog engineer")
            for statement in (
                "select * from engineer.gold.t",
                "insert into engineer.gold.t values 4",
                "update engineer.gold.t set n = 5",
                "delete from engineer.gold.t",
                "create table engineer.gold.x (n int)",
                "drop table engineer.gold.t",
                "show schemas from engineer",
                "alter table engineer.gold.t execute expire_snapshots(retention_threshold => '0s')",
                "call engineer.system.rollback_to_snapshot('gold', 't', 1)",
                "set session engineer.expire_snapshots_min_retention = '0s'",
            )
        ),
        ("set session query_max_run_time = '1d'", "Cannot set system session property query_max_run_time"),
        (
            "set session analyst.expire_snapshots_min_retention = '0s'",
            "Cannot set catalog session property expire_snapshots_min_retention",
        ),
        ("set session authorization engineer", "User analyst cannot impersonate user engineer"),
        ("create role mine", "Cannot create role mine"),
        ("grant select on gold.t to user analyst", "Cannot grant privilege SELECT on table analyst.gold.t"),
        ("alter table gold.t set authorization analyst", "Cannot set authorization for table analyst.gold.t"),
        ("create catalog evil using memory", "Cannot create catalog evil"),
        ("select * from system.runtime.queries", "Cannot select from table system.runtime.queries"),
        ("select * from system.runtime.tasks", "Cannot select from table system.runtime.tasks"),
        ("call system.runtime.kill_query('x', 'y')", "Cannot execute procedure system.runtime.kill_query"),
    ],
)
def test_a_statement_is_refused(attacked: TrinoOnLake, statement: str, reason: str) -> None:
    name, message = _refusal(attacked, statement)
    assert name == "PERMISSION_DENIED"
    assert reason in message


@pytest.mark.parametrize(
    "statement",
    [
        "select * from information_schema.tables where table_schema in ('bronze', 'ops')",
        "select * from information_schema.columns where table_schema in ('bronze', 'ops')",
        "select * from system.jdbc.tables where table_schem in ('bronze', 'ops') or table_cat = 'engineer'",
        "select * from system.jdbc.columns where table_schem in ('bronze', 'ops') or table_cat = 'engineer'",
        "select * from system.metadata.table_comments where schema_name = 'bronze' or catalog_name = 'engineer'",
        "select * from system.metadata.catalogs where catalog_name = 'engineer'",
    ],
)
def test_lists_name_nothing_of_the_rest(attacked: TrinoOnLake, statement: str) -> None:
    assert attacked.access.rows(statement, ANALYST) == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"user": ENGINEER}, "User analyst cannot impersonate user engineer"),
        ({"user": ENGINEER, "catalog": ENGINEER}, "User analyst cannot impersonate user engineer"),
        ({"http_headers": {"X-Trino-Original-User": ENGINEER}}, "User analyst cannot impersonate user engineer"),
        ({"session_properties": {"query_max_run_time": "1d"}}, "Cannot set system session property"),
        ({"session_properties": {"analyst.expire_snapshots_min_retention": "0s"}}, "Cannot set catalog session"),
    ],
)
def test_what_a_session_claims_is_refused(attacked: TrinoOnLake, settings: dict[str, object], reason: str) -> None:
    name, message = _refusal(attacked, "select count(*) from gold.t", **settings)
    assert name == "PERMISSION_DENIED"
    assert reason in message


def _ask(
    stand: TrinoOnLake, method: str, path: str, *, user: str = ANALYST, password: str | None = None, **given: Any
) -> requests.Response:
    """One request on a connection of its own; with the user's password where no other is given, without for ""."""
    secret = stand.access.passwords.get(user, "") if password is None else password
    with requests.Session() as session:
        session.trust_env, session.verify = False, str(stand.access.ca_file)
        return session.request(
            method,
            stand.access.url + path,
            auth=(user, secret) if secret else None,
            timeout=_ANSWER_SECONDS,
            allow_redirects=False,
            **given,
        )


@pytest.mark.parametrize(
    ("user", "password", "reason"),
    [
        (ENGINEER, "", "Unauthorized"),
        (ENGINEER, "a-guess-of-mine", "Access Denied: Invalid credentials"),
        ("nobody", "a-guess-of-mine", "Access Denied: Invalid credentials"),
    ],
)
def test_without_the_password_nobody_comes_in(attacked: TrinoOnLake, user: str, password: str, reason: str) -> None:
    for method, path in (("POST", "/v1/statement"), ("GET", "/v1/query"), ("GET", "/v1/jmx/mbean")):
        answer = _ask(attacked, method, path, user=user, password=password, headers={"X-Trino-User": ENGINEER})
        assert (answer.status_code, reason in answer.text) == (401, True), path


def test_another_users_password_is_none(attacked: TrinoOnLake) -> None:
    own = attacked.access.passwords[ANALYST]
    assert _ask(attacked, "POST", "/v1/statement", user=ENGINEER, password=own).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Trino-Internal-Bearer": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwb3J0LTEifQ.c2lnbmVk"},
        {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJlbmdpbmVlciJ9."},
    ],
)
def test_a_forged_token_is_refused(attacked: TrinoOnLake, headers: dict[str, str]) -> None:
    for path in ("/v1/query", "/v1/task"):
        answer = _ask(attacked, "GET", path, password="", headers={"X-Trino-User": ENGINEER, **headers})
        assert answer.status_code in (401, 403), path


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("password", [None, ""])
def test_a_forged_proxy_header_is_refused(attacked: TrinoOnLake, scheme: str, password: str | None) -> None:
    headers = {"X-Trino-User": ENGINEER, "X-Forwarded-Proto": scheme, "X-Forwarded-For": "127.0.0.1"}
    answer = _ask(attacked, "GET", "/v1/query", password=password, headers=headers)
    assert answer.status_code == 406
    assert "X-Forwarded" in answer.text


def test_a_role_of_ones_own_choice_is_refused(attacked: TrinoOnLake) -> None:
    answer = _ask(
        attacked, "POST", "/v1/statement", headers={"X-Trino-Role": "system=ROLE{engineers}"}, data="select 1"
    )
    assert "Access Denied: Cannot set role engineers" in answer.text


def test_plain_http_has_no_answer(attacked: TrinoOnLake) -> None:
    asked = f"GET /v1/query HTTP/1.1\r\nHost: {HOST}\r\nX-Trino-User: {ENGINEER}\r\n\r\n"
    with socket.create_connection((HOST, attacked.access.port), timeout=_ANSWER_SECONDS) as connection:
        connection.sendall(asked.encode())
        # a TLS alert and the end, or the end alone
        assert b"HTTP" not in connection.recv(1000)


def test_it_listens_for_https_alone_and_on_this_machine_alone(attacked: TrinoOnLake) -> None:
    assert listening(attacked.server.pid) == {("127.0.0.1", attacked.access.port)}


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        ("GET", "/v1/task", "Internal only resource"),
        ("POST", "/v1/task/a.0.0.0", "Internal only resource"),
        ("GET", "/v1/memory", "Internal only resource"),
        ("PUT", "/v1/announcement/evil", "Internal only resource"),
        ("PUT", "/v1/info/state", "Management only resource"),
        ("GET", "/v1/service", "Management only resource"),
        ("GET", "/v1/node", "Management only resource"),
        ("GET", "/v1/thread", "Management only resource"),
        ("GET", "/v1/jmx/mbean", "Management only resource"),
        ("GET", "/v1/resourceGroupState/all", "Management only resource"),
        ("GET", "/metrics", "Management only resource"),
    ],
)
# engineers build tables: they do not run the servers
@pytest.mark.parametrize("user", [ANALYST, ENGINEER])
def test_what_servers_ask_each_other_is_not_for_users(
    attacked: TrinoOnLake, user: str, method: str, path: str, reason: str
) -> None:
    answer = _ask(attacked, method, path, user=user, json="SHUTTING_DOWN" if method == "PUT" else None)
    assert (answer.status_code, reason in answer.text) == (403, True)


@pytest.fixture
def foreign_query(attacked: TrinoOnLake) -> Iterator[str]:
    """The id of a query of the engineer that runs; it ends when he says so."""
    endless = "select sum(a.n * b.n) from table(sequence(1, 1000000)) as a(n), table(sequence(1, 1000000)) as b(n)"
    connection = attacked.access.connection(ENGINEER)
    cursor = connection.cursor()
    ended: list[Exception] = []

    def ask() -> None:
        try:
            cursor.execute(endless)
        except trino.exceptions.Error as error:
            ended.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    running = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda found: not found),
        stop=tenacity.stop_after_delay(60),
        wait=tenacity.wait_fixed(0.1),
    )
    found = f"select query_id from system.runtime.queries where state = 'RUNNING' and query = '{endless}'"
    try:
        (name,) = running(lambda: attacked.access.rows(found))[0]
        yield str(name)
        assert attacked.access.rows(found) == [[name]]
    finally:
        for (left,) in attacked.access.rows(found):
            attacked.access.rows(f"call system.runtime.kill_query('{left}', 'the test is over')")
        asking.join(60)
        connection.close()
    assert "the test is over" in str(ended)


def test_anothers_query_is_neither_seen_nor_ended(attacked: TrinoOnLake, foreign_query: str) -> None:
    attacked.access.rows("select 1", ANALYST)
    seen = _ask(attacked, "GET", "/v1/query").json()
    assert {query["session"]["user"] for query in seen} == {ANALYST}
    for method, path in (("GET", ""), ("DELETE", ""), ("PUT", "/killed"), ("PUT", "/preempted")):
        assert _ask(attacked, method, f"/v1/query/{foreign_query}{path}", data="x").status_code == 403, path
    # who does not know the query's own token cannot reach its rows
    for place in ("queued", "executing"):
        answer = _ask(attacked, "GET", f"/v1/statement/{place}/{foreign_query}/guessed/1")
        assert answer.status_code == 404
