"""Checks that a maintained table of thousands of tiny commits reads as fast as one written in a single commit."""

import statistics
import time

from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.maintenance.health import table_health
from foss_platform.lake.query.duckdb_views import pin, reading_cursor
from foss_platform.lake.table.tables import load_table
from foss_platform_tests.benchmarks.maintenance.maintenance_benchmark import polled_lake
from foss_platform_tests.benchmarks.measure import Bench, BenchmarkError, in_own_process, settings_of
from foss_platform_tests.benchmarks.models.synthetic import BRONZE
from foss_platform_tests.benchmarks.report import Figure, Report

_METHOD = """\
The query returns count and average by site and day. It runs over bronze of the `maintenance` lake ({commits:,} \
commits, then maintenance: {files} data files in {manifests} manifests) and over the same {rows:,} rows written in one \
commit. DuckDB reads each table by its metadata file in a warm process, alternately, {count} times each after {warm} \
warm-up runs."""
_QUERY = """
select "Sted", cast(_polled_at as date), count(*), avg(try_cast("Antall_ledige_plasser" as integer)) from {relation}
group by all order by all
"""
_WARM = 3


def run(bench: Bench) -> Report:
    """Run the benchmark."""
    home, grown = polled_lake(bench)
    count = bench.choose(20, 5)
    found = in_own_process(bench.folder, compare, home, bench.folder / "once", count).value
    tiny, once = found["tiny"], found["once"]
    ratio = statistics.median(tiny) / statistics.median(once)
    figures = [
        Figure("tiny commits / one commit, of medians", [ratio], goal=1.3),
        Figure("  tiny commits", [value * 1000 for value in tiny], "ms"),
        Figure("  one commit", [value * 1000 for value in once], "ms"),
    ]
    state = found["state"]
    method = _METHOD.format(commits=len(grown["costs"]), count=count, warm=_WARM, **state)
    return Report("scan", method, figures)


def compare(home: str, other_home: str, count: int) -> dict[str, object]:
    """Write the other table and run the query on both alternately. Return the seconds of each run."""
    table = load_table(open_catalog(settings_of(home)), BRONZE)
    other_catalog = open_catalog(settings_of(other_home))
    other_catalog.create_namespace(BRONZE.namespace)
    other_catalog.create_table(BRONZE.identifier, schema=table.schema(), properties=table.properties)
    rows = table.scan().to_arrow().sort_by("_polled_at")
    other = commit(other_catalog, BRONZE, lambda _: Change(rows))
    cursor = reading_cursor(settings_of(home))
    queries = {
        "tiny": _QUERY.format(relation=pin(BRONZE, table).relation),
        "once": _QUERY.format(relation=pin(BRONZE, other).relation),
    }
    if cursor.execute(queries["tiny"]).fetchall() != cursor.execute(queries["once"]).fetchall():
        raise BenchmarkError("The query returns different results for the two tables.")
    seconds: dict[str, list[float]] = {side: [] for side in queries}
    for _ in range(_WARM + count):
        for side, query in queries.items():
            started = time.perf_counter()
            cursor.execute(query).fetchall()
            seconds[side].append(time.perf_counter() - started)
    health = table_health(table)
    state = {"files": health.data_files, "manifests": health.manifests, "rows": health.rows}
    return {**{side: values[_WARM:] for side, values in seconds.items()}, "state": state}
