"""Silver and gold on Trino, beside the same SQL typed into it by hand and beside DuckDB, at a million rows."""

from foss_platform_tests.benchmarks.measure import Bench, in_own_process
from foss_platform_tests.benchmarks.report import Figure, Report
from foss_platform_tests.benchmarks.trino_sides import HEAP, Seconds, measure, refuse_missing_trino
from foss_platform_tests.services.places import versions

_METHOD = """\
A bronze of {rows:,} rows (made up: 9 sites, a poll every 2 minutes) on a lake that both engines see, Postgres and a \
folder on this machine. Ours: `dbt build --full-refresh` of seed and models in a warm process, committed to Iceberg, \
on one Trino {version} of {heap} heap that works alone, and on DuckDB with as much memory. By hand: the SQL that dbt \
compiled for Trino, each model as `CREATE TABLE … AS` in a schema of its own, in the same order, without ours' sort, \
casts and upkeep. In turn, rounds: {rounds}, after a first build that warms the server; wall seconds, since Trino's \
work is another process's. A step: one more poll of 9 records, and `dbt build` of the same nodes; {steps} for each \
engine after a first one. Trino summed up all that each side had made: the same rows."""
_GOAL = 1.3
_LIMIT_SECONDS = 4 * 3_600.0


def run(bench: Bench) -> Report:
    """Measure."""
    return compared(bench, "trino", 1_000_000, rounds=3)


def compared(bench: Bench, name: str, full_rows: int, rounds: int) -> Report:
    """Measure at one size; each larger one is a benchmark of its own, since it takes the longer."""
    refuse_missing_trino()
    rows, rounds, steps = bench.choose(full_rows, 100_000), bench.choose(rounds, 1), bench.choose(3, 1)
    found = in_own_process(bench.folder, measure, bench.folder, rows, rounds, steps, limit_seconds=_LIMIT_SECONDS).value
    method = _METHOD.format(rows=rows, version=versions()["trino"]["version"], heap=HEAP, rounds=rounds, steps=steps)
    return Report(name, method, _figures(found))


def _figures(found: Seconds) -> list[Figure]:
    def ratios(one: str, other: str) -> list[float]:
        return [a / b for a, b in zip(found[one], found[other], strict=True)]

    return [
        Figure("on Trino: ours / by hand", ratios("trino", "by hand"), goal=_GOAL),
        Figure("  ours on Trino", found["trino"], "s"),
        Figure("  by hand on Trino", found["by hand"], "s"),
        Figure("  ours on DuckDB", found["duckdb"], "s"),
        Figure("ours: Trino / DuckDB", ratios("trino", "duckdb")),
        Figure("a step on Trino", found["trino step"], "s"),
        Figure("a step on DuckDB", found["duckdb step"], "s"),
    ]
