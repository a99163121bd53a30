"""Creates lakes with years of history in bronze, silver and gold, and adds single polls to them.

Silver of a long history is created without the rebuild's sort, and two gold models are created from the newest weeks
alone. The tables, their properties and their positions are those that a build of a short history creates.
"""

import re
import shutil
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
from pyiceberg.catalog import Catalog

from foss_platform.ingest.recording.recording import RecordedPoll
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.commit.commit_with_retry import sync_properties
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files.data_files import FULL_ROWS_PROPERTY
from foss_platform.lake.maintenance.compaction import COMPACTED_FILES_PROPERTY
from foss_platform.lake.maintenance.maintain import maintain
from foss_platform.lake.query.duckdb_views import connect, create_view, pin
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.positions import POSITION_PREFIX
from foss_platform.lake.table.statistics import newest_value
from foss_platform.lake.table.tables import ensure_namespace, list_tables, load_table
from foss_platform.settings import Settings
from foss_platform.transform.project.parsed import prepare_project
from foss_platform.transform.runner import build
from foss_platform_tests.benchmarks.ingest.polls import PACE, ingest, made_up_body
from foss_platform_tests.benchmarks.measure import BenchmarkError, settings_of
from foss_platform_tests.benchmarks.models.rebuild_benchmark import compiled_models
from foss_platform_tests.benchmarks.models.synthetic import BRONZE, SITES, make_lake, readings_query

SILVER = TableName("silver", "parking_readings")

_SEED = TableName("silver", "parking_sites")
_SHORT_ROWS = 3_000 * SITES
_BATCH_ROWS = 122_880
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZONE = ZoneInfo("Europe/Oslo")
_TYPICAL_WEEK = TableName("gold", "parking_typical_week")
# weeks of silver that decide the content of a gold model; a model that is not named here reads all of silver
_WEEKS_READ = {"gold.parking_latest": 1, "gold.parking_typical_week": 10}


def make_history(home: str, rows: int) -> dict[str, int]:
    """Create a new home with about the given number of bronze rows and the derived tables. Return the rows by table."""
    short_home = f"{home}-short"
    shutil.rmtree(short_home, ignore_errors=True)
    make_lake(short_home, _SHORT_ROWS)
    short = settings_of(short_home)
    prepare_project(short)
    _build(short)
    _refuse_other_readings(short)
    make_lake(home, rows)
    _derive(settings_of(home), short)
    shutil.rmtree(short_home)
    return finish(home)


def finish(home: str) -> dict[str, int]:
    """Maintain the tables and create dbt's manifest. Return the rows by table."""
    catalog = open_catalog(settings_of(home))
    for name in list_tables(catalog):
        _note_full_files(catalog, name)
        maintain(catalog, name, datetime.now(UTC), trigger="maintenance")
    prepare_project(settings_of(home))
    tables = {str(name): load_table(catalog, name) for name in list_tables(catalog)}
    return {name: int(table.scan().count()) for name, table in tables.items()}


def steps(home: str, count: int) -> list[dict[str, Any]]:
    """Commit a poll and build, `count` times after a first time. Return the seconds of each build and of its nodes."""
    settings = settings_of(home)
    prepare_project(settings)
    return [_step(settings) for _ in range(count + 1)][1:]


def _note_full_files(catalog: Catalog, name: TableName) -> None:
    """Mark files from a single write as compacted. Otherwise a compaction would rewrite the same 100 million rows."""
    table = load_table(catalog, name)
    files = [task.file for task in table.scan().plan_files()]
    if len(files) > 1:
        # the last file written contains the remainder
        full = sorted(file.record_count for file in files)[1]
        noted = {COMPACTED_FILES_PROPERTY: str(len(files)), FULL_ROWS_PROPERTY: str(full)}
        sync_properties(catalog, name, table, noted)


def _step(settings: Settings) -> dict[str, Any]:
    newest = newest_value(open_catalog(settings).load_table(BRONZE.identifier), "_polled_at")
    polled_at = _EPOCH + timedelta(microseconds=newest) + PACE
    ingest(settings, [RecordedPoll(polled_at, made_up_body(polled_at))])
    started, processor = time.perf_counter(), time.process_time()
    nodes = _build(settings)
    return {
        "seconds": time.perf_counter() - started,
        "processor": time.process_time() - processor,
        "nodes": nodes,
    }


def _build(settings: Settings) -> dict[str, float]:
    results = list(build(settings))
    if failed := [result for result in results if result.status.is_failure]:
        raise BenchmarkError(f"{failed[0].unique_id}: {failed[0].message}")
    return {result.unique_id.split(".", 2)[2].split(".")[0]: result.seconds for result in results}


def _refuse_other_readings(settings: Settings) -> None:
    """Fail if the readings created here without dbt differ from those of the dbt model."""
    connection = _connected(settings, open_catalog(settings))
    made, built = readings_query(), f"from {SILVER}"
    differing = f"({built} except {made}) union all ({made} except {built})"
    found = connection.execute(f"select count(*) from ({differing})").fetchone()
    if found != (0,):
        raise BenchmarkError(f"{found} readings differ from those of the dbt model.")


def _derive(settings: Settings, short: Settings) -> None:
    """Create the tables of the short home's build, with the rows derived from this home's bronze."""
    catalog, like = open_catalog(settings), open_catalog(short)
    uuids = {str(load_table(like, name).metadata.table_uuid): name for name in list_tables(like)}
    queries = {str(_SEED): f"select * from {_SEED}", str(SILVER): readings_query(), **_gold_queries(short)}
    seed = load_table(like, _SEED).scan().to_arrow()
    for table_name, query in queries.items():
        name = TableName(*table_name.split("."))
        model = load_table(like, name)
        ensure_namespace(catalog, name.namespace)
        properties = _moved_positions(catalog, model.properties, uuids)
        catalog.create_table(name.identifier, schema=model.schema(), properties=properties)
        if name == _SEED:
            commit(catalog, name, lambda _: Change(seed))
            continue
        connection = _connected(settings, catalog)
        if weeks := _WEEKS_READ.get(table_name):
            _narrow(connection, catalog, weeks)
        if name == _TYPICAL_WEEK:
            query = _on_later_days(query, (_newest_day(catalog) - _newest_day(like)))
        reader = connection.execute(query).to_arrow_reader(_BATCH_ROWS)
        commit(catalog, name, lambda _, reader=reader: Change(reader))  # type: ignore[misc]
        connection.close()


def _gold_queries(short: Settings) -> dict[str, str]:
    """Return the SQL of a whole build as compiled for the short home, in dbt's order. It names no rows of that home."""
    return {name: query for name, query in compiled_models(short).items() if name.startswith("gold.")}


def _newest_day(catalog: Catalog) -> date:
    microseconds = newest_value(load_table(catalog, SILVER), "observed_at")
    return (_EPOCH + timedelta(microseconds=microseconds)).astimezone(_ZONE).date()


def _on_later_days(query: str, shift: timedelta) -> str:
    """Shift the days named in a compiled query."""
    return re.sub(r"\d{4}-\d\d-\d\d", lambda day: str(date.fromisoformat(day[0]) + shift), query)


def _moved_positions(catalog: Catalog, properties: Mapping[str, str], uuids: Mapping[str, TableName]) -> dict[str, str]:
    """Return the properties with this catalog's table UUIDs in positions. The sources of both homes have one commit."""
    moved = dict(properties)
    for key, value in properties.items():
        if key.startswith(POSITION_PREFIX):
            uuid, _, number = value.partition(":")
            moved[key] = f"{load_table(catalog, uuids[uuid]).metadata.table_uuid}:{number}"
    return moved


def _connected(settings: Settings, catalog: Catalog) -> duckdb.DuckDBPyConnection:
    Path(settings.spill_directory).mkdir(parents=True, exist_ok=True)
    connection = connect(settings)
    for name in list_tables(catalog):
        table = load_table(catalog, name)
        if table.current_snapshot() is not None:
            create_view(connection, pin(name, table))
    return connection


def _narrow(connection: duckdb.DuckDBPyConnection, catalog: Catalog, weeks: int) -> None:
    newest = newest_value(load_table(catalog, SILVER), "observed_at")
    since = _EPOCH + timedelta(microseconds=newest) - timedelta(weeks=weeks)
    relation = pin(SILVER, load_table(catalog, SILVER)).relation
    connection.execute(
        f"create or replace view {SILVER} as select * from {relation} where observed_at >= timestamptz '{since}'"
    )
