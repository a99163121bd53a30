"""An abandoned commit succeeds late, at any moment of the retry: no data is lost or duplicated.

A catalog that was frozen completes such a commit when it resumes. Here the commit succeeds just before the n-th time
that the retry loads a table.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import requests
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import CommitTableResponse, Table

from foss_platform.errors import PermanentError, TransientError
from foss_platform.ingest.bronze.poll_once import IngestedPoll, ingest_poll
from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.settings import Settings
from foss_platform_tests.faults.conftest import Measured
from foss_platform_tests.faults.injection.polling import BRONZE, POLLS, REJECTED
from foss_platform_tests.pipeline.ingest.writers import live_poll, record
from foss_platform_tests.tables import Row, read


def ingest(catalog: Catalog, feed: Feed, tick: int, *, late: float = 0.5) -> IngestedPoll:
    """Poll the n-th minute. A later attempt gets a different answer."""
    poll = live_poll(feed, tick, f"[{record('A', str(tick + late))},{record('B')},null]", late=late)
    return ingest_poll(catalog, feed, poll.cause, lambda _: poll, {})


class StandingStill:
    """A catalog that accepts the next commit to a table without answering, and executes it later.

    Attributes
    ----------
    land
        Executes the commit once. None before there is a commit and after it was executed.
    loads
        Number of table loads before the commit is executed, or None to leave it pending.
    """

    def __init__(self, catalog: Catalog, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.land: Callable[[], None] | None = None
        self.loads: int | None = None
        self._table, self._load, self._commit = table, catalog.load_table, catalog.commit_table
        monkeypatch.setattr(catalog, "load_table", self._loaded)
        monkeypatch.setattr(catalog, "commit_table", self._committed)

    def _committed(self, table: Table, *asked: Any) -> CommitTableResponse:
        if self.land is None and self.loads is None and ".".join(table.name()) == self._table:
            self.land = lambda: self._land(table, *asked)
            raise requests.ReadTimeout
        return self._commit(table, *asked)

    def _loaded(self, identifier: Any) -> Table:
        if self.loads is not None and self.land is not None:
            self.loads -= 1
            if self.loads < 0:
                self.land()
        return self._load(identifier)

    def _land(self, *asked: Any) -> None:
        self.land = None
        # the commit is correctly refused if the retry was faster
        with suppress(CommitFailedException):
            self._commit(*asked)


@pytest.mark.parametrize("table", [REJECTED, BRONZE, POLLS])
def test_at_any_moment_of_the_retry(
    settings: Settings, feed: Feed, monkeypatch: pytest.MonkeyPatch, measured: Measured, table: str
) -> None:
    ingest(open_catalog(settings), feed, 0)
    tick, lands_within = 0, True
    while lands_within:
        tick += 1
        with monkeypatch.context() as patched:
            catalog = open_catalog(settings)
            still = StandingStill(catalog, table, patched)
            with pytest.raises(TransientError, match="did not answer"):
                ingest(catalog, feed, tick)
            still.loads = tick - 1
            taken = ingest(catalog, feed, tick, late=9)
            lands_within = still.land is None
            if still.land is not None:
                still.land()
        is_in_once(settings, taken, tick)
    assert tick > 5
    measured("moments", tick)


def is_in_once(settings: Settings, taken: IngestedPoll, tick: int) -> None:
    """Assert that a batch comes from one attempt, is complete, and is logged and reported as that attempt."""

    def of_batch(table: str, column: str) -> list[Row]:
        return [row for row in read(settings, table) if row[column] == taken.log["batch_id"]]

    rows, (logged,) = of_batch(BRONZE, "_batch_id"), of_batch(POLLS, "batch_id")
    assert [row["_record_index"] for row in rows] == [0, 1]
    assert {row["_polled_at"] for row in rows} == {logged["polled_at"]} == {taken.log["polled_at"]}
    refused = [row["_polled_at"] for row in of_batch(REJECTED, "_batch_id")]
    assert len(refused) == len(set(refused))
    assert refused.count(logged["polled_at"]) == 1
    assert len(taken.reasons) == 1
    assert len(read(settings, POLLS)) == tick + 1


def test_a_batch_without_any_record_of_its_attempt(settings: Settings, feed: Feed) -> None:
    catalog = open_catalog(settings)
    ingest(catalog, feed, 0)
    catalog.drop_table(POLLS)
    # the row is stored in bronze's snapshot, so the log is repaired automatically
    assert ingest(catalog, feed, 0).healed == 1
    catalog.drop_table(POLLS)
    bronze = catalog.load_table(BRONZE)
    bronze.append(bronze.scan().to_arrow().slice(0, 0))
    bronze.maintenance.expire_snapshots().by_id(bronze.snapshots()[0].snapshot_id).commit()
    with pytest.raises(PermanentError, match=r"neither in ops\.polls"):
        ingest(catalog, feed, 0)
