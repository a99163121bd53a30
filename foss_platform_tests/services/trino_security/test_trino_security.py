"""An analyst can read silver and gold through Trino and nothing else: other statements are refused with a reason."""

import pytest

from foss_platform_tests.services.servers.trino import ANALYST, ENGINEER
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake
from foss_platform_tests.services.trino_security.attacks import Rows, refusal


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("select n from gold.t order by n", [[1], [2], [3]]),
        ("select count(*) from silver.t", [[3]]),
        # the owner of the view may read bronze, and shows a selection of it
        ("select n from gold.shown", [[3]]),
        ("select count(*) from gold.t for timestamp as of current_timestamp - interval '0.01' second", [[3]]),
        ('select count(*) from gold."t$snapshots"', [[1]]),
        ("select s.n from reference.reference.sites as s join gold.t on t.n = s.n", [[1]]),
        ("show catalogs", [["analyst"], ["reference"], ["system"]]),
        ("show schemas", [["gold"], ["silver"]]),
        ("show schemas from reference", [["reference"]]),
    ],
)
def test_an_analyst_reads_silver_and_gold(attacked: TrinoOnLake, statement: str, rows: Rows) -> None:
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
        # refused by the connector itself, because SELECT alone would allow these
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
    name, message = refusal(attacked, statement)
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
def test_listings_hide_the_other_tables(attacked: TrinoOnLake, statement: str) -> None:
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
def test_session_settings_are_refused(attacked: TrinoOnLake, settings: dict[str, object], reason: str) -> None:
    name, message = refusal(attacked, "select count(*) from gold.t", **settings)
    assert name == "PERMISSION_DENIED"
    assert reason in message
