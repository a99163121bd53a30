"""Three processes write to one lake at the same time: every batch is committed exactly once."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest

from foss_platform.ingest.page.feed import Feed
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.ingest.writers import write
from foss_platform_tests.tables import Row, read

BRONZE = "bronze.stavanger_parking"


def run(settings: Settings, feed: Feed, ticks: list[list[int]]) -> list[tuple[int, int]]:
    """Run one writer process per list of ticks, all at once, on a new home."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(ticks), mp_context=spawn) as pool:
        futures = [pool.submit(write, settings.home, feed, n, mine) for n, mine in enumerate(ticks)]
        return [future.result(timeout=120) for future in futures]


def keys(rows: list[Row], *names: str) -> list[tuple[object, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


@pytest.mark.parametrize("same", [False, True], ids=["batches of their own", "the same batches"])
def test_three_writers_at_once(settings: Settings, feed: Feed, *, same: bool) -> None:
    ticks = [list(range(10)) if same else list(range(n * 10, n * 10 + 10)) for n in range(3)]
    written = run(settings, feed, ticks)
    expected = 10 if same else 30
    assert sum(new for new, _ in written) == expected
    assert [new + known for new, known in written] == [10, 10, 10]
    rows = read(settings, BRONZE)
    assert len(rows) == len(set(keys(rows, "_batch_id", "_record_index"))) == 2 * expected
    # both rows of a batch are from the same attempt
    assert len(set(keys(rows, "_batch_id", "_polled_at"))) == expected
    log = read(settings, "ops.polls")
    assert sorted(set(keys(rows, "_batch_id", "_polled_at"))) == sorted(keys(log, "batch_id", "polled_at"))
    refused = read(settings, f"{BRONZE}__rejected")
    assert len(refused) == len(set(keys(refused, "_batch_id", "_polled_at", "_record_index")))
    assert set(keys(refused, "_batch_id", "_polled_at")) >= set(keys(log, "batch_id", "polled_at"))
