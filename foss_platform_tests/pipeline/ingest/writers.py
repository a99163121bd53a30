"""Functions of a second writer process, at module level for spawned processes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from foss_platform.ingest.bronze.commit_polls import commit_polls, ensure_feed_tables
from foss_platform.ingest.http.fetch import Answer
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.batch import scheduled
from foss_platform.ingest.poll.poll import Poll, judge_answer
from foss_platform.ingest.records.contract import contract_judge
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.settings import Settings

START = datetime(2020, 10, 24, 12, tzinfo=UTC)


def record(site: str, free: str = "7") -> str:
    return (
        f'{{"Dato":"24.10.2020","Klokkeslett":"13:58","Sted":"{site}","Latitude":"58.9","Longitude":"5.7",'
        f'"Antall_ledige_plasser":"{free}"}}'
    )


def live_poll(feed: Feed, tick: int, body: str, *, late: float = 0.5) -> Poll:
    """Return a scheduled poll of the n-th minute that received `body` `late` seconds after its tick."""
    at = START + timedelta(minutes=tick)
    answer = Answer(body.encode(), 200, at + timedelta(seconds=late), 0.1, 1)
    cause = scheduled(feed.name, at)
    return judge_answer(feed, contract_judge(feed), lambda _: cause, "http://feed", answer)


def write(home: Path, feed: Feed, writer: int, ticks: list[int]) -> tuple[int, int]:
    """Commit the batches in order, and return the numbers of new and known batches."""
    catalog = open_catalog(Settings(home=home))
    ensure_feed_tables(catalog, feed)
    new = known = 0
    for tick in ticks:
        poll = live_poll(feed, tick, f"[{record('A', str(writer))},{record('B')},null]", late=writer)
        written = commit_polls(catalog, feed, [poll], {"foss.writer": str(writer)})
        new += len(written.new_batches)
        known += len(written.known_batches)
    return new, known
