"""Builds silver and gold from one bronze with dbt on Trino, by hand on Trino, and with dbt on DuckDB.

The measuring process starts and ends the servers and the lake itself, so no secret has to be passed to it.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from foss_platform.engine import Engine
from foss_platform.ingest.recording.recording import RecordedPoll
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.statistics import newest_value
from foss_platform.settings import load_settings
from foss_platform.transform.project.parsed import prepare_project
from foss_platform.transform.runner import build
from foss_platform_tests.benchmarks.ingest.polls import PACE, ingest, made_up_body
from foss_platform_tests.benchmarks.measure import BenchmarkError
from foss_platform_tests.benchmarks.models.rebuild_benchmark import compiled_models
from foss_platform_tests.benchmarks.models.synthetic import BRONZE, make_lake
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import NODES
from foss_platform_tests.services.lakes import Kind
from foss_platform_tests.services.servers.postgres import Postgres
from foss_platform_tests.services.servers.process import running
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake, made_trino

#: Seconds of each round by operation. `spread` is the busiest worker's share of the work on silver, by round.
Found = dict[str, list[float]]

#: Heap of each Trino server, in GB. DuckDB gets as much memory as all working servers together.
HEAP = 4
_WARM_ROWS = 1_000_000
# A first increment pays for work left over from the full build. The first build has few rows and warms the servers.
_FROM_THE_SECOND = ("trino step", "duckdb step", "spread")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SCRATCH = "by_hand"
# as in the profile, which gives the reason
_SESSION = {"optimize_top_n_ranking": "false"}


def measure(folder: str, rows: int, rounds: int, steps: int, workers: int) -> Found:
    """Fill bronze once, and run the sides on it alternately.

    Parameters
    ----------
    workers
        Number of Trino servers besides the coordinator. With 0 the coordinator does the work.
    """
    with standing(Path(folder) / "home", workers) as stand:
        sides = Sides(stand, warm_rows=min(rows, _WARM_ROWS))
        if rows > _WARM_ROWS:
            make_lake(str(load_settings().home), rows, there=_WARM_ROWS)
        for _ in range(rounds):
            sides.whole()
        sides.refuse_differences()
        for _ in range(steps + 1):
            sides.step()
        return {what: taken[1:] if what in _FROM_THE_SECOND else taken for what, taken in sides.found.items()}


@contextmanager
def standing(home: Path, workers: int = 0) -> Iterator[TrinoOnLake]:
    """Start Postgres and a large Trino on an empty lake in a folder. The environment names them meanwhile."""
    with ExitStack() as stack:
        postgres = stack.enter_context(running(Postgres()))
        # as in production: all JIT compilers of the JVM and a heap for real work
        made = stack.enter_context(
            made_trino(Kind.POSTGRES_FOLDER, home, postgres, None, workers, java_options=f"-Xmx{HEAP}G")
        )
        made.set_environment(stack.enter_context(pytest.MonkeyPatch.context()))
        yield made


class Sides:
    """The lake and its timed operations."""

    def __init__(self, stand: TrinoOnLake, warm_rows: int) -> None:
        self._ask, self._workers = stand.access.rows, stand.workers
        memory = f"{HEAP * max(1, len(stand.workers))}GB"
        common = load_settings().model_copy(update={"duckdb_memory_limit": memory})
        make_lake(str(common.home), warm_rows)
        self._engines = {engine: common.model_copy(update={"engine": engine}) for engine in Engine}
        for settings in self._engines.values():
            prepare_project(settings)
        self.found: Found = {}
        self._by_hand: dict[str, str] = {}
        # creates the tables and warms the servers
        self._built(Engine.TRINO, full_refresh=True)
        self._ask(f"create schema {_SCRATCH}")
        self._ask(f"create table {_SCRATCH}.parking_sites as select * from silver.parking_sites")
        self._made: dict[str, Any] = {}

    def whole(self) -> None:
        """Rebuild silver and gold from all of bronze, once with each side."""
        self._timed("trino", lambda: self._built(Engine.TRINO, full_refresh=True))
        # the SQL contains constants that depend on the current rows
        self._by_hand = compiled_models(self._engines[Engine.TRINO])
        self._made["trino"] = self._contents()
        for name in self._by_hand:
            self._ask(f"drop table if exists {_scratch(name)}")
        self._timed("by hand", self._type_in)
        self._timed("duckdb", lambda: self._built(Engine.DUCKDB, full_refresh=True))

    def step(self) -> None:
        """Commit and build one more poll, once with each engine."""
        for engine in Engine:
            newest = newest_value(open_catalog(self._engines[engine]).load_table(BRONZE.identifier), "_polled_at")
            polled_at = _EPOCH + timedelta(microseconds=newest) + PACE
            ingest(self._engines[engine], [RecordedPoll(polled_at, made_up_body(polled_at))])
            self._timed(f"{engine} step", lambda engine=engine: self._built(engine))

    def refuse_differences(self) -> None:
        """Check that all sides wrote the same rows.

        Raises
        ------
        BenchmarkError
            If the rows differ.
        """
        found = {**self._made, "duckdb": self._contents(), "by hand": self._contents(by_hand=True)}
        if len({str(content) for content in found.values()}) != 1:
            raise BenchmarkError(f"The sides differ: {found}")

    def _share_of_the_busiest(self) -> float:
        """Return the busiest server's share of the processor time of the last build of silver (1: all)."""
        [[query]] = self._ask(
            "select query_id from system.runtime.queries where source like 'dbt-trino%' and state = 'FINISHED' "
            "and query like '%create or replace table%parking_readings%' order by created desc limit 1"
        )
        spent = self._ask(
            f"select sum(split_cpu_time_ms) from system.runtime.tasks where query_id = '{query}' group by node_id"
        )
        return float(max(ms for (ms,) in spent) / sum(ms for (ms,) in spent))

    def _timed(self, what: str, work: Any) -> None:
        began = time.perf_counter()
        work()
        self.found.setdefault(what, []).append(time.perf_counter() - began)

    def _built(self, engine: Engine, *, full_refresh: bool = False) -> None:
        for result in build(self._engines[engine], NODES, full_refresh=full_refresh):
            if result.status.is_failure:
                raise BenchmarkError(f"{result.unique_id}: {result.message}")
            # immediately, because Trino keeps the task statistics for only a quarter of an hour
            if self._workers and engine is Engine.TRINO and full_refresh and result.unique_id.endswith("readings"):
                self.found.setdefault("spread", []).append(self._share_of_the_busiest())

    def _type_in(self) -> None:
        for name, query in self._by_hand.items():
            query = self._of_scratch(query)
            self._ask(f"create table {_scratch(name)} as {query}", session_properties=_SESSION)

    def _of_scratch(self, query: str) -> str:
        """Return a compiled query that reads the tables created by hand."""
        for name in (*self._by_hand, "silver.parking_sites"):
            namespace, _, table = name.partition(".")
            query = query.replace(f'"{namespace}"."{table}"', f'"{_SCRATCH}"."{table}"')
        return query

    def _contents(self, *, by_hand: bool = False) -> dict[str, Any]:
        """Return the row count and an order-independent checksum of all values, by table."""
        found = {}
        for name in self._by_hand:
            columns = [row[0] for row in self._ask(f"describe {name}")]
            sums = ", ".join(f'to_hex(checksum("{column}"))' for column in columns)
            found[name] = self._ask(f"select count(*), {sums} from {_scratch(name) if by_hand else name}")
        return found


def _scratch(name: str) -> str:
    return f"{_SCRATCH}.{name.rpartition('.')[2]}"
