"""A poll on three kinds of lake, with its processor and waiting time, and 1,000 tables in one transaction."""

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from foss_platform.cli.shared.pages import find_feed
from foss_platform.ingest.bronze.poll_once import ingest_poll
from foss_platform.ingest.http.fetch import Answer
from foss_platform.ingest.poll.batch import scheduled
from foss_platform.ingest.poll.poll import judge_answer
from foss_platform.ingest.records.contract import contract_judge
from foss_platform.lake.commit.change import Change, TableChange
from foss_platform.lake.commit.commit_with_retry import apply_changes
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table
from foss_platform_tests.benchmarks.ingest.polls import PIPELINE, SITES, bulk, made_up_body
from foss_platform_tests.benchmarks.measure import Bench, BenchmarkError, in_own_process
from foss_platform_tests.benchmarks.report import Figure, Report
from foss_platform_tests.benchmarks.servers import refuse_missing
from foss_platform_tests.services.lakes import Kind, Lake, made_lake, set_environment
from foss_platform_tests.services.servers.minio import Minio
from foss_platform_tests.services.servers.postgres import Postgres
from foss_platform_tests.services.servers.process import running
from foss_platform_tests.services.servers.programs import DOCKER

_METHOD = """\
A validated poll of 9 records is committed to bronze, quarantine and the poll log as `foss run` does, in one warm \
process and alternately on three lakes: {polls} polls on each, after {warm} warm-up polls, in {rounds} rounds from \
empty lakes. The servers run on this machine with the settings of `docker/`. Processor: the time of all threads of the \
process, without the servers. Waiting: the rest, which is less than nothing if two threads work at once. Polls after \
which files are merged are included. Transaction: one row is appended to each of {tables:,} tables. Their files are \
written by four threads, then all tables are switched in one transaction of the catalog's database."""
_KINDS = (Kind.SQLITE_FOLDER, Kind.POSTGRES_FOLDER, Kind.POSTGRES_MINIO)
_NAMES = {
    Kind.SQLITE_FOLDER: "SQLite + folder",
    Kind.POSTGRES_FOLDER: "Postgres + folder",
    Kind.POSTGRES_MINIO: "Postgres + MinIO",
}
_ROW = pa.table({"id": [1]})
#: Seconds and processor seconds of a poll.
Cost = tuple[float, float]


def run(bench: Bench) -> Report:
    """Run the benchmark."""
    refuse_missing("minio", [DOCKER / "minio" / "go.mod", DOCKER / "minio" / "go.sum"])
    warm, polls, rounds = bench.choose(60, 3), bench.choose(60, 5), bench.choose(3, 1)
    tables = bench.choose(1_000, 20)
    found = in_own_process(bench.folder, measure_rounds, warm, polls, rounds, tables).value
    costs: dict[str, list[Cost]] = found["polls"]
    folder = [cost[0] for cost in costs[Kind.SQLITE_FOLDER]]
    figures = []
    for kind in _KINDS:
        wall, processor = ([cost[place] for cost in costs[kind]] for place in (0, 1))
        if kind is not Kind.SQLITE_FOLDER:
            goal = 2.0 if kind is Kind.POSTGRES_MINIO else None
            ratios = [a / b for a, b in zip(wall, folder, strict=True)]
            figures.append(Figure(f"a poll: {_NAMES[kind]} / SQLite + folder", ratios, goal=goal))
        waiting = [a - b for a, b in zip(wall, processor, strict=True)]
        figures += [
            Figure(f"{_NAMES[kind]}", [value * 1000 for value in wall], "ms"),
            Figure("  processor", [value * 1000 for value in processor], "ms"),
            Figure("  waiting", [value * 1000 for value in waiting], "ms"),
        ]
    for kind in _KINDS:
        whole, switching = found["together"][kind]
        figures += [
            Figure(f"{tables:,} tables together: {_NAMES[kind]}", [whole], "s"),
            Figure("  of it, the transaction", [switching], "s"),
        ]
    return Report("poll", _METHOD.format(warm=warm, polls=polls, rounds=rounds, tables=tables), figures)


def measure_rounds(warm: int, polls: int, rounds: int, tables: int) -> dict[str, dict[str, list[Cost] | Cost]]:
    """Return the median cost of a poll in each round, and the cost of the large transaction, by kind of lake."""
    costs: dict[str, list[Cost] | Cost] = {kind: [] for kind in _KINDS}
    together: dict[str, list[Cost] | Cost] = {}
    with running(Postgres()) as postgres, running(Minio()) as minio, TemporaryDirectory(prefix="foss-poll-") as place:
        for number in range(rounds):
            with ExitStack() as stack:
                lakes = {
                    kind: stack.enter_context(made_lake(kind, Path(place) / f"{kind}{number}", postgres, minio))
                    for kind in _KINDS
                }
                for kind, cost in _polls(lakes, warm, polls).items():
                    costs[kind] += [cost]  # type: ignore[operator]
                if number == rounds - 1:
                    together |= {kind: _together(lake, tables) for kind, lake in lakes.items()}
    return {"polls": costs, "together": together}


def _polls(lakes: dict[Kind, Lake], warm: int, count: int) -> dict[Kind, Cost]:
    catalogs = {kind: _opened(lake) for kind, lake in lakes.items()}
    costs: dict[Kind, list[Cost]] = {kind: [] for kind in lakes}
    first = bulk(1)[0].polled_at
    for number in range(warm + count):
        for kind, catalog in catalogs.items():
            cost = _poll(catalog, first + number * timedelta(minutes=2))
            if number >= warm:
                costs[kind].append(cost)
    return {
        kind: (statistics.median(cost[0] for cost in found), statistics.median(cost[1] for cost in found))
        for kind, found in costs.items()
    }


def _poll(catalog: Catalog, polled_at: datetime) -> Cost:
    feed = find_feed(PIPELINE)
    cause = scheduled(feed.name, polled_at)
    answer = Answer(made_up_body(polled_at), 200, polled_at, duration_seconds=0.05, tries=1)
    judged = judge_answer(feed, contract_judge(feed), lambda _: cause, "http://127.0.0.1/parking.json", answer)
    began, processor = time.perf_counter(), time.process_time()
    taken = ingest_poll(catalog, feed, cause, lambda _: judged, {})
    cost = time.perf_counter() - began, time.process_time() - processor
    if taken.written is None or taken.written.rows != len(SITES):
        raise BenchmarkError(f"The poll of {polled_at} was not committed: {taken}")
    return cost


def _together(lake: Lake, tables: int) -> Cost:
    """Append a row to each of the tables in one commit. Return its seconds, and the seconds of the switch."""
    catalog = _opened(lake)
    names = [TableName("ops", f"table_{number:04}") for number in range(tables)]
    for name in names:
        ensure_table(catalog, TableSpec(name, _ROW.schema))
    with _timed_switch() as switching:
        began = time.perf_counter()
        apply_changes(catalog, [TableChange(name, lambda _: Change(_ROW)) for name in names])
        return time.perf_counter() - began, sum(switching)


@contextmanager
def _timed_switch() -> Iterator[list[float]]:
    from foss_platform.lake.connect import sql_catalog, switch

    seconds: list[float] = []

    def timed(*arguments: object) -> None:
        began = time.perf_counter()
        switch.switch_tables(*arguments)  # type: ignore[arg-type]
        seconds.append(time.perf_counter() - began)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sql_catalog, "switch_tables", timed)
        yield seconds


def _opened(lake: Lake) -> Catalog:
    with pytest.MonkeyPatch.context() as patch:
        set_environment(patch, lake.environment)
        return open_catalog(lake.settings)
