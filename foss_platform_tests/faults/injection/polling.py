"""A feed that gives a fixed answer per tick, and the poll of one tick, which is killed and retried."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from foss_platform.ingest.bronze.poll_once import ingest_poll
from foss_platform.ingest.http.clock import system_clock
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.batch import Cause, scheduled
from foss_platform.ingest.poll.poll import FeedPoller, Poll
from foss_platform.ingest.recording.feed_server import FeedServer
from foss_platform.ingest.recording.recording import RecordedPoll
from foss_platform.lake.connect import sql_catalog
from foss_platform.lake.connect import switch as switch_module
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.settings import Settings
from foss_platform_tests.faults.injection.kill_points import Points
from foss_platform_tests.pipeline.ingest.loopback import new_session, source_of
from foss_platform_tests.pipeline.ingest.writers import START, record
from foss_platform_tests.tables import Row, content

BRONZE = "bronze.stavanger_parking"
REJECTED = f"{BRONZE}__rejected"
POLLS = "ops.polls"
TABLES = (BRONZE, REJECTED, POLLS)

KINDS = ("mixed", "good", "refused", "unreadable", "busy")


def answer_of(tick: int, kind: str) -> RecordedPoll:
    """Return the feed's answer in the n-th minute."""
    good = [record(site, str(tick)) for site in ("Forum", "Jernbanen")]
    bodies = {
        "mixed": f'[{good[0]},{{"Sted":1,"Sted":2}},null,{good[1]}]',
        "good": f"[{','.join(good)}]",
        "refused": json.dumps([{"Sted": tick}, None]),
        "unreadable": f"<html>{tick}</html>",
        "busy": "Come back later.",
    }
    at = START + timedelta(minutes=tick)
    return RecordedPoll(at, bodies[kind].encode(), 503 if kind == "busy" else 200)


class Ticking:
    """The feed over real HTTP. `tick` sets the current minute, which is also the `Date` of an answer."""

    def __init__(self, server: FeedServer, feed: Feed, minutes: list[float]) -> None:
        self.server = server
        self.feed = feed.model_copy(update={"source": source_of(server.url)})
        self._minutes = minutes

    def tick(self, minute: float) -> None:
        self._minutes[0] = minute


@contextmanager
def ticking(feed: Feed, kinds: Sequence[str]) -> Iterator[Ticking]:
    """Serve one answer per minute, of the given kinds."""
    minutes = [0.0]
    polls = [answer_of(tick, kind) for tick, kind in enumerate(kinds)]
    with FeedServer(polls, pace=1, start=START, clock=lambda: minutes[0] * 60) as server:
        yield Ticking(server, feed, minutes)


def take_in_tick(
    home: Path, feed: Feed, tick: int, kill_at: int | str | None = None, disturbed: bool = False
) -> list[str]:
    """Poll one tick as a scheduled run does, and return the points that were passed. Runs in a separate process.

    Parameters
    ----------
    disturbed
        Whether another writer commits to every table just before the first switch of the poll.
    """
    points = Points(kill_at)
    cause = scheduled(feed.name, START + timedelta(minutes=tick))
    catalog = open_catalog(Settings(home=home))
    with new_session() as session:
        poller = FeedPoller(feed, session, system_clock, trust_date=True)

        def poll(cause: Cause) -> Poll:
            if disturbed:
                disturb_next_switch(Settings(home=home))
            return poller.poll(cause)

        ingest_poll(catalog, feed, cause, poll, {"foss.run": str(tick)})
    return points.reached


def disturb_next_switch(settings: Settings) -> None:
    """Commit to each table of the poll from another catalog object, just before the next switch."""
    switch = switch_module.switch_tables

    def disturbing(*arguments: Any) -> None:
        patched.stop()
        other = open_catalog(settings)
        for name in TABLES:
            with other.load_table(name).transaction() as transaction:
                transaction.set_properties({"disturbed": "yes"})
        switch(*arguments)

    patched = patch.object(sql_catalog, "switch_tables", disturbing)
    patched.start()


def agree(home: Path) -> None:
    """Assert that the three tables are of the same polls, as they stand."""
    tables = content(Settings(home=home), TABLES)
    attempts = {(row["batch_id"], row["polled_at"]): row for row in tables[POLLS]}
    assert len(attempts) == len(tables[POLLS])
    for table, count in ((BRONZE, "records_accepted"), (REJECTED, "records_rejected")):
        rows = Counter((row["_batch_id"], row["_polled_at"]) for row in tables[table])
        assert rows == Counter({key: row[count] for key, row in attempts.items() if row[count]})


def without_durations(home: Path) -> dict[str, list[Row]]:
    """Return the rows of bronze, quarantine and log without measured durations and sequence numbers."""
    tables = content(Settings(home=home), TABLES)
    for row in tables[POLLS]:
        row.pop("duration_seconds")
    return tables
