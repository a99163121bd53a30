"""An abandoned commit succeeds late, at any moment of the retry: no data is lost or duplicated.

A database that was frozen completes such a commit when it resumes. Here the commit succeeds just before the n-th time
that the retry looks up the state of tables.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from sqlalchemy.exc import OperationalError

from foss_platform.errors import PermanentError, TransientError
from foss_platform.ingest.bronze.poll_once import IngestedPoll, ingest_poll
from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.connect import sql_catalog, switch
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
    """A catalog that accepts the next switch without answering, and executes it later.

    Attributes
    ----------
    land
        Executes the switch once. None before there is a switch and after it was executed.
    looks
        Number of times that tables are looked up before the switch is executed, or None to leave it pending.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.land: Callable[[], None] | None = None
        self.looks: int | None = None
        self._look, self._switch = switch.metadata_locations, switch.switch_tables
        monkeypatch.setattr(sql_catalog, "metadata_locations", self._looked)
        monkeypatch.setattr(sql_catalog, "switch_tables", self._switched)

    def _switched(self, *asked: Any) -> None:
        if self.land is None and self.looks is None:
            self.land = lambda: self._land(*asked)
            raise OperationalError("commit", {}, Exception("the server does not answer"))
        self._switch(*asked)

    def _looked(self, *asked: Any) -> Any:
        if self.looks is not None and self.land is not None:
            self.looks -= 1
            if self.looks < 0:
                self.land()
        return self._look(*asked)

    def _land(self, *asked: Any) -> None:
        self.land = None
        # the switch is correctly refused if the retry was faster
        with suppress(CommitFailedException):
            self._switch(*asked)


def test_at_any_moment_of_the_retry(
    settings: Settings, feed: Feed, monkeypatch: pytest.MonkeyPatch, measured: Measured
) -> None:
    ingest(open_catalog(settings), feed, 0)
    tick, lands_within = 0, True
    while lands_within:
        tick += 1
        with monkeypatch.context() as patched:
            catalog = open_catalog(settings)
            still = StandingStill(patched)
            with pytest.raises(TransientError, match="did not answer"):
                ingest(catalog, feed, tick)
            still.looks = tick - 1
            taken = ingest(catalog, feed, tick, late=9)
            lands_within = still.land is None
            if still.land is not None:
                still.land()
        is_in_once(settings, taken, tick)
    assert tick > 3
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


def test_a_batch_without_its_row_in_the_log(settings: Settings, feed: Feed) -> None:
    catalog = open_catalog(settings)
    ingest(catalog, feed, 0)
    catalog.drop_table(POLLS)
    with pytest.raises(PermanentError, match=r"is in bronze\.stavanger_parking, but its row is not in ops\.polls"):
        ingest(catalog, feed, 0)
