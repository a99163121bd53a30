"""A coordinator and two workers share the work. A worker that dies fails a query, but loses no row."""

import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from trino.exceptions import TrinoQueryError

from foss_platform.engine import Engine
from foss_platform.errors import TransientError
from foss_platform.lake.trino.connection import query_failure
from foss_platform_tests.services.lakes import Kind
from foss_platform_tests.services.servers.postgres import Postgres
from foss_platform_tests.services.trino.building import TrinoPipeline, is_running, until
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake, made_trino

ROWS = 2_000_000
SITES = 97
#: Time limit for a client to notice a lost server, also on a busy machine. The servers wait for half a minute.
BOUND_SECONDS = 120.0

_TABLE = "create table gold.readings (n bigint, site bigint, hits bigint) with (partitioning = array['bucket(n, 8)'])"
_FILL = f"insert into gold.readings select n, n % {SITES}, 0 from table(sequence(1, {ROWS})) as t(n)"
_COUNT = "select count(*), sum(n), count(distinct site), sum(hits) from gold.readings"
_ALL = [ROWS, ROWS * (ROWS + 1) // 2, SITES]
# The rows of the table `work` set the duration of the query, so it cannot end too early and can be shortened.
_HITS = """
    select r.site, count_if(r.n % w.m = 0) as hits from gold.readings as r cross join gold.work as w group by r.site
"""
_ENDLESS = "insert into gold.work select m from table(sequence(1, 100000)) as t(m)"
_SHORT = "delete from gold.work where m > 3"
_MERGE = f"""
    merge into gold.readings as t using ({_HITS}) as s on t.site = s.site and t.n <= {SITES}
    when matched then update set hits = s.hits
"""
_MERGED = f"select site, hits from gold.readings where n <= {SITES}"


@pytest.fixture(scope="module")
def cluster(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrinoOnLake]:
    """A cluster on a lake in a folder."""
    with made_trino(Kind.POSTGRES_FOLDER, tmp_path_factory.mktemp("cluster"), postgres, None, workers=2) as made:
        yield made


@pytest.fixture(scope="module")
def filled(cluster: TrinoOnLake) -> TrinoOnLake:
    """The cluster with a table of some millions of rows in eight files."""
    for statement in ("create schema if not exists gold", _TABLE, _FILL):
        cluster.access.rows(statement)
    return cluster


def _all_workers(cluster: TrinoOnLake) -> set[object]:
    return {worker.node for worker in cluster.workers}


def _reading(cluster: TrinoOnLake, query: str) -> set[object]:
    """Return the servers that read rows of the lake for a query."""
    tasks = f"select node_id from system.runtime.tasks where query_id = '{query}' and physical_input_bytes > 0"
    return {node for (node,) in cluster.access.rows(tasks)}


def _is_spread(cluster: TrinoOnLake, statement: str) -> bool:
    """Return whether both workers execute a statement."""
    escaped = statement.replace("'", "''")
    found = f"select query_id from system.runtime.queries where state = 'RUNNING' and query = '{escaped}'"
    return any(_reading(cluster, str(query)) == _all_workers(cluster) for (query,) in cluster.access.rows(found))


def _lake(cluster: TrinoOnLake) -> list[object]:
    """Return rows, snapshots and table names."""
    rows = cluster.access.rows(_COUNT)
    refs = cluster.access.rows('select snapshot_id from gold."readings$refs"')
    return [rows, refs, cluster.access.rows("show tables from gold")]


def test_a_query_spreads_over_both_workers(filled: TrinoOnLake) -> None:
    with filled.access.connection() as connection:
        cursor = connection.cursor()
        assert cursor.execute(_COUNT).fetchall() == [[*_ALL, 0]]
        assert cursor.query_id is not None
        # the coordinator only plans
        assert _reading(filled, cursor.query_id) == _all_workers(filled)


def test_a_killed_worker_fails_only_the_query(filled: TrinoOnLake) -> None:
    cluster = filled
    for change in ("create table gold.work (m bigint)", _ENDLESS):
        cluster.access.rows(change)
    before = _lake(cluster)
    victim = cluster.workers[0]
    with ThreadPoolExecutor(1) as pool:
        # a time limit, in case the test fails
        bounded = {"query_max_run_time": "10m"}
        asked: Future[object] = pool.submit(cluster.access.rows, _MERGE, session_properties=bounded)
        until(lambda: _is_spread(cluster, _MERGE))
        victim.kill()
        began = time.monotonic()
        with pytest.raises(TrinoQueryError) as caught:
            asked.result()
    try:
        assert time.monotonic() - began < BOUND_SECONDS
        told = query_failure(str(caught.value.error_name), caught.value.message)
        assert isinstance(told, TransientError)
        assert "lost a worker" in str(told)
        assert _lake(cluster) == before
        cluster.access.rows(_SHORT)
        cluster.access.rows(_MERGE)
        hits = sorted(cluster.access.rows(_HITS))
        assert sum(count for _, count in hits) == ROWS + ROWS // 2 + ROWS // 3
        assert sorted(cluster.access.rows(_MERGED)) == hits
        assert cluster.access.rows(_COUNT)[0][:3] == _ALL
    finally:
        victim.ensure_running()


def _let_go(pipe: Path) -> None:
    os.close(os.open(pipe, os.O_RDWR))
    pipe.unlink()


@contextmanager
def _nothing_to_read(files: Iterable[Path]) -> Iterator[None]:
    """Replace files by pipes without a writer, so that every process that opens one waits."""
    with ExitStack() as stack:
        for path in files:
            whole, pipe = path.with_name(f"{path.name}.whole"), path.with_name(f"{path.name}.pipe")
            path.rename(whole)
            os.mkfifo(path)
            # waiting readers get an end of file as soon as no new reader can open the pipe
            stack.callback(_let_go, pipe)
            stack.callback(whole.rename, path)
            stack.callback(path.rename, pipe)
        yield


def test_a_worker_killed_while_a_model_is_built(cluster: TrinoOnLake, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.set_environment(monkeypatch)
    monkeypatch.setenv("FOSS_ENGINE", Engine.TRINO.value)
    trino_pipeline = TrinoPipeline(cluster)
    # a file each, so that several servers wait, and none can finish before a worker is gone
    for _ in range(6):
        trino_pipeline.more()
    before = trino_pipeline.at()
    victim = cluster.workers[1]
    bronze = trino_pipeline.catalog.load_table("bronze.stavanger_parking")
    files = [Path(task.file.file_path.removeprefix("file://")) for task in bronze.scan().plan_files()]

    try:
        with ExitStack() as pipes:
            pipes.enter_context(_nothing_to_read(files))
            result = trino_pipeline.failed_by(
                victim.kill, is_running, full_refresh=True, seconds=BOUND_SECONDS, release=pipes.close
            )
        assert "lost a worker" in result.message
        assert not result.is_permanent
        assert trino_pipeline.at() == before
        # the remaining worker is enough
        trino_pipeline.heal()
    finally:
        victim.ensure_running()
