"""Compares silver and gold on Trino with the same SQL run by hand and with DuckDB, at a million rows."""

from foss_platform_tests.benchmarks.measure import Bench, in_own_process
from foss_platform_tests.benchmarks.report import Figure, Report
from foss_platform_tests.benchmarks.servers import refuse_missing
from foss_platform_tests.benchmarks.trino.trino_sides import HEAP, Found, measure
from foss_platform_tests.services.servers.programs import TRINO, versions

_METHOD = """\
Bronze has {rows:,} rows (synthetic: 9 sites, a poll every 2 minutes). Both engines read the same lake, with its \
catalog in Postgres and its files in a folder on this machine. Ours: `dbt build --full-refresh` of seed and models in \
a warm process, committed to Iceberg, on a Trino {version} of {servers}, and on DuckDB with as much memory. By hand: \
the SQL that dbt compiled for Trino, run in the same order, with each model as `CREATE TABLE … AS` in a separate \
schema, without the sort, casts and maintenance of ours. Number of alternating rounds: {rounds}, after a first build \
of at most a million rows that warms the servers. Times are wall-clock times, because Trino works in other processes. \
An increment is one more poll of 9 records and a `dbt build` of the same nodes, measured {steps} times per engine \
after a first one. Checksums computed by Trino show that all sides wrote the same rows."""
_GOAL = 1.3
_LIMIT_SECONDS = 4 * 3_600.0


def run(bench: Bench) -> Report:
    """Run the benchmark."""
    return compared(bench, "trino", 1_000_000, rounds=5)


def compared(bench: Bench, name: str, full_rows: int, rounds: int, workers: int = 0) -> Report:
    """Compare the sides at one size. Each larger size is a benchmark of its own because it takes longer."""
    refuse_missing("trino", [TRINO / "SHA256SUMS", TRINO / "plugins.txt"])
    rows, rounds, steps = bench.choose(full_rows, 100_000), bench.choose(rounds, 1), bench.choose(3, 1)
    measured = (bench.folder, rows, rounds, steps, workers)
    found = in_own_process(bench.folder, measure, *measured, limit_seconds=_LIMIT_SECONDS).value
    servers = f"{workers} workers of {HEAP} GB heap each" if workers else f"one server of {HEAP} GB heap"
    version = versions()["trino"]["version"]
    method = _METHOD.format(rows=rows, version=version, servers=servers, rounds=rounds, steps=steps)
    return Report(name, method, _figures(found))


def _figures(found: Found) -> list[Figure]:
    def ratios(one: str, other: str) -> list[float]:
        return [a / b for a, b in zip(found[one], found[other], strict=True)]

    return [
        Figure("on Trino: ours / by hand", ratios("trino", "by hand"), goal=_GOAL),
        Figure("  ours on Trino", found["trino"], "s"),
        Figure("  by hand on Trino", found["by hand"], "s"),
        Figure("  ours on DuckDB", found["duckdb"], "s"),
        Figure("ours: Trino / DuckDB", ratios("trino", "duckdb")),
        *_spread(found),
        Figure("an increment on Trino", found["trino step"], "s"),
        Figure("an increment on DuckDB", found["duckdb step"], "s"),
    ]


def _spread(found: Found) -> list[Figure]:
    """Return the share of the busiest worker, or no figure if Trino is a single server."""
    shares = [100 * share for share in found.get("spread", ())]
    return [Figure("processor time of silver, the busiest worker's share", shares, "%")] if shares else []
