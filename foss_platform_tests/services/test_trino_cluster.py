"""A coordinator and two workers: work spreads over both, and one that dies costs a query, never a row."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import tenacity
from trino.exceptions import TrinoQueryError

from foss_platform_tests.services.lakes import Kind
from foss_platform_tests.services.postgres import Postgres
from foss_platform_tests.services.trino_on_lake import TrinoOnLake, made_trino

ROWS = 2_000_000
SITES = 97
#: Until a client learns that a server is gone, on a machine that is busy too: the servers wait for half a minute.
BOUND_SECONDS = 120.0

_TABLE = "create table gold.readings (n bigint, site bigint, hits bigint) with (partitioning = array['bucket(n, 8)'])"
_FILL = f"insert into gold.readings select n, n % {SITES}, 0 from table(sequence(1, {ROWS})) as t(n)"
_COUNT = "select count(*), sum(n), count(distinct site), sum(hits) from gold.readings"
_ALL = [ROWS, ROWS * (ROWS + 1) // 2, SITES]
# how long it takes is what the table of work holds: it cannot end before it is met in its middle, and can be let end
_HITS = """
    select r.site, count_if(r.n % w.m = 0) as hits from gold.readings as r cross join gold.work as w group by r.site
"""
_ENDLESS = "insert into gold.work select m from table(sequence(1, 100000)) as t(m)"
_SHORT = "delete from gold.work where m > 3"
_CREATE = f"create table gold.hits as {_HITS}"
_MERGE = f"""
    merge into gold.readings as t using ({_HITS}) as s on t.site = s.site and t.n <= {SITES}
    when matched then update set hits = s.hits
"""

#: Where a statement leaves what it found.
_KEPT = {
    _CREATE: "select site, hits from gold.hits",
    _MERGE: f"select site, hits from gold.readings where n <= {SITES}",
}


@pytest.fixture(scope="module")
def cluster(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrinoOnLake]:
    """A cluster with a table of some millions of rows in eight files."""
    home = tmp_path_factory.mktemp("cluster")
    with made_trino(Kind.POSTGRES_FOLDER, home, postgres, None, workers=2) as made:
        for statement in ("create schema gold", _TABLE, _FILL):
            made.access.rows(statement)
        yield made


def _all_workers(cluster: TrinoOnLake) -> set[object]:
    return {worker.node for worker in cluster.workers}


def _nodes(cluster: TrinoOnLake, query: str) -> set[object]:
    """Which servers read rows of the lake for a query."""
    tasks = f"select node_id from system.runtime.tasks where query_id = '{query}' and physical_input_bytes > 0"
    return {node for (node,) in cluster.access.rows(tasks)}


def _wait_until_spread(cluster: TrinoOnLake, statement: str) -> None:
    """Wait until both workers are at a statement."""
    escaped = statement.replace("'", "''")
    found = f"select query_id from system.runtime.queries where state = 'RUNNING' and query = '{escaped}'"
    tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda is_spread: not is_spread),
        stop=tenacity.stop_after_delay(BOUND_SECONDS),
        wait=tenacity.wait_fixed(0.2),
    )(lambda: any(_nodes(cluster, str(name)) == _all_workers(cluster) for (name,) in cluster.access.rows(found)))


def _lake(cluster: TrinoOnLake) -> list[object]:
    """Rows, snapshot, and which tables there are."""
    rows = cluster.access.rows(_COUNT)
    refs = cluster.access.rows('select snapshot_id from gold."readings$refs"')
    return [rows, refs, cluster.access.rows("show tables from gold")]


def test_a_query_spreads_over_both_workers(cluster: TrinoOnLake) -> None:
    with cluster.access.connection() as connection:
        cursor = connection.cursor()
        assert cursor.execute(_COUNT).fetchall() == [[*_ALL, 0]]
        assert cursor.query_id is not None
        # the coordinator only plans
        assert _nodes(cluster, cursor.query_id) == _all_workers(cluster)


@pytest.mark.parametrize(("statement", "comes_back"), [(_CREATE, False), (_MERGE, True)])
def test_a_worker_killed_in_the_middle_costs_the_query_alone(
    cluster: TrinoOnLake, statement: str, comes_back: bool
) -> None:
    for change in ("drop table if exists gold.work", "create table gold.work (m bigint)", _ENDLESS):
        cluster.access.rows(change)
    before = _lake(cluster)
    victim = cluster.workers[0]
    with ThreadPoolExecutor(1) as pool:
        # should the test fail it does not wait for ever
        bounded = {"query_max_run_time": "10m"}
        asked: Future[object] = pool.submit(cluster.access.rows, statement, session_properties=bounded)
        _wait_until_spread(cluster, statement)
        victim.kill()
        began = time.monotonic()
        with pytest.raises(TrinoQueryError) as caught:
            asked.result()
    try:
        assert time.monotonic() - began < BOUND_SECONDS
        assert caught.value.error_name == "REMOTE_HOST_GONE"
        assert "The node may have crashed" in caught.value.message
        assert _lake(cluster) == before
        if comes_back:
            victim.start()
        cluster.access.rows(_SHORT)
        cluster.access.rows(statement)
        hits = sorted(cluster.access.rows(_HITS))
        assert sum(count for _, count in hits) == ROWS + ROWS // 2 + ROWS // 3
        assert sorted(cluster.access.rows(_KEPT[statement])) == hits
        assert cluster.access.rows(_COUNT)[0][:3] == _ALL
    finally:
        victim.revive()
