"""What Postgres and MinIO cost beside SQLite and a folder: append, replay, rebuild and clean-up, in turn."""

import statistics

from foss_platform_tests.benchmarks.ingest.polls import origin
from foss_platform_tests.benchmarks.measure import Bench, in_own_process
from foss_platform_tests.benchmarks.report import Figure, Report
from foss_platform_tests.benchmarks.servers import refuse_missing
from foss_platform_tests.benchmarks.store.store_lake import Seconds, Sizes, measure
from foss_platform_tests.services.servers.programs import DOCKER

_METHOD = """\
Servers: Postgres + MinIO, real ones on this machine with the settings of `docker/`. Folder: SQLite + a folder on the \
same disk. DuckDB builds on both. {rounds} rounds, each from two empty lakes, in one warm process; each piece of work \
on the one, then on the other. Append: {single} judged polls of 9 records by the path of `foss run`, after {warm} to \
warm up; their median is the round's. Replay: {replayed:,} polls of {origin} in one commit a table. Rebuild: `dbt \
build --full-refresh` with its tests, the second in a row. Clean-up: all maintenance of all tables, sparing nothing that is \
new."""
_WORK = {"append": "append of one poll", "replay": "bulk replay", "rebuild": "rebuild", "clean-up": "clean-up"}
_SMALL = Sizes(50, 1, 1)


def run(bench: Bench) -> Report:
    """Measure."""
    refuse_missing("minio", [DOCKER / "minio" / "go.mod", DOCKER / "minio" / "go.sum"])
    sizes = Sizes(bench.choose(2_000, 500), bench.choose(20, 5), bench.choose(20, 10))
    rounds = bench.choose(3, 1)
    found: list[Seconds] = in_own_process(bench.folder, measure_rounds, sizes, rounds).value
    figures = []
    for work, what in _WORK.items():
        unit, scale = ("ms", 1000) if work == "append" else ("s", 1)
        folder, servers = ([_median(done, side, work) * scale for done in found] for side in ("folder", "servers"))
        figures += [
            Figure(f"{what}: servers / folder", [b / a for a, b in zip(folder, servers, strict=True)]),
            Figure("  Postgres + MinIO", servers, unit),
            Figure("  SQLite + folder", folder, unit),
        ]
    method = _METHOD.format(rounds=rounds, origin=origin(), **sizes._asdict())
    return Report("store", method, figures, [_removed(found)])


def measure_rounds(sizes: tuple[int, int, int], rounds: int) -> list[Seconds]:
    """Seconds of each round; a small one before warms imports, connections and caches."""
    return measure([_SMALL, *[Sizes(*sizes)] * rounds])[1:]


def _median(done: Seconds, side: str, work: str) -> float:
    return statistics.median(done[side][work])


def _removed(found: list[Seconds]) -> str:
    counts = [statistics.median(_median(done, side, "removed") for done in found) for side in ("servers", "folder")]
    return (
        f"A clean-up removed {counts[0]:,.0f} files from MinIO, {counts[1]:,.0f} from the folder; after it silver and "
        "gold were the same on both sides, by a hash of all rows."
    )
