"""Trino's memory and queues as configured in `docker/trino`: a large query spills to disk or fails alone."""

import pytest
from trino.exceptions import TrinoQueryError

from foss_platform_tests.services.servers.trino import ANALYST, ENGINEER
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake

# Trino gives queries 0.7 of 1 GB heap, and spills these rows of 400 bytes at 0.4
_ROWS = 1_500_000


def test_a_query_that_is_too_large_fails_alone(trino: TrinoOnLake) -> None:
    with pytest.raises(TrinoQueryError) as caught:
        # the state of a comparison with every row grows page by page, and cannot be spilled to disk
        trino.access.rows(
            "select count_if(a.n < b.n) from table(sequence(1, 2)) as a(n), table(sequence(1, 100000000)) as b(n)"
        )
    assert caught.value.error_name == "EXCEEDED_LOCAL_MEMORY_LIMIT"
    assert trino.access.rows("select 1") == [[1]]


def test_a_window_larger_than_memory_spills_to_disk(trino: TrinoOnLake) -> None:
    columns = f"n, n % 1003 as part, '{'x' * 400}' || cast(n as varchar) as text"
    wide = f"select {columns} from table(sequence(1, {_ROWS})) as t(n)"
    numbered = f"select row_number() over (partition by part order by n) as place, text from ({wide})"
    with trino.access.connection() as connection:
        cursor = connection.cursor()
        rows = cursor.execute(f"select count(*), max(place), min(length(text)) from ({numbered})").fetchall()
        assert rows == [[_ROWS, -(-_ROWS // 1003), 401]]
        assert cursor.stats is not None
        assert cursor.stats["spilledBytes"] > 0
    spilled = trino.server.folder / "run" / "spill"
    assert [path for path in spilled.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(("user", "group"), [(ENGINEER, ["all", "engineers"]), (ANALYST, ["all", "analysts", ANALYST])])
def test_each_user_has_a_queue(trino: TrinoOnLake, user: str, group: list[str]) -> None:
    with trino.access.connection(user) as connection:
        cursor = connection.cursor()
        cursor.execute("select 1").fetchall()
        asked = f"select resource_group_id from system.runtime.queries where query_id = '{cursor.query_id}'"
    assert trino.access.rows(asked) == [[group]]
