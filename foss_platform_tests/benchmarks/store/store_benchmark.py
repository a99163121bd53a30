"""Compares Postgres and MinIO with SQLite and a folder: append, replay, rebuild and maintenance, alternately."""

import statistics

from foss_platform_tests.benchmarks.ingest.polls import origin
from foss_platform_tests.benchmarks.measure import Bench, in_own_process
from foss_platform_tests.benchmarks.report import Figure, Report
from foss_platform_tests.benchmarks.servers import refuse_missing
from foss_platform_tests.benchmarks.store.store_lake import Seconds, Sizes, measure
from foss_platform_tests.services.servers.programs import DOCKER

_METHOD = """\
Servers: Postgres and MinIO on this machine with the settings of `docker/`. Folder: SQLite and a folder on the same \
disk. DuckDB builds on both sides. {rounds} rounds in one warm process, each from two empty lakes. Each operation runs \
on one side, then on the other. Append: {single} validated polls of 9 records, committed as `foss run` does, after \
{warm} warm-up polls. The median of these polls is the result of the round. Replay: {replayed:,} polls of {origin} in \
one commit per table. Rebuild: the second of two runs of `dbt build --full-refresh` with its tests. Maintenance: full \
maintenance of all tables, without a retention time for unreferenced files."""
_WORK = {"append": "append of one poll", "replay": "bulk replay", "rebuild": "rebuild", "clean-up": "maintenance"}
_SMALL = Sizes(50, 1, 1)


def run(bench: Bench) -> Report:
    """Run the benchmark."""
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
    """Return the seconds of each round. A small round beforehand warms imports, connections and caches."""
    return measure([_SMALL, *[Sizes(*sizes)] * rounds])[1:]


def _median(done: Seconds, side: str, work: str) -> float:
    return statistics.median(done[side][work])


def _removed(found: list[Seconds]) -> str:
    counts = [statistics.median(_median(done, side, "removed") for done in found) for side in ("servers", "folder")]
    return (
        f"Maintenance deleted {counts[0]:,.0f} files in MinIO, {counts[1]:,.0f} in the folder. Afterwards silver and "
        "gold were equal on both sides, by a hash of all rows."
    )
