"""A small synthetic feed for tests of contract and quarantine: its page, its bodies and its polls."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from pyiceberg.catalog import Catalog

from foss_platform.ingest.bronze.commit_polls import commit_polls, ensure_feed_tables
from foss_platform.ingest.bronze.poll_changes import Written
from foss_platform.ingest.http.fetch import Answer
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.batch import scheduled
from foss_platform.ingest.poll.poll import Poll, judge_answer
from foss_platform.ingest.records.contract import contract_judge

FIRST_TICK = datetime(2026, 1, 5, 10, tzinfo=UTC)


def meters(*fields: dict[str, Any]) -> Feed:
    """Return a feed of meters whose records have an id, a time and these further fields."""
    return Feed.model_validate(
        {
            "name": "meters",
            "description": "Made-up meters.",
            "owners": ["team:test"],
            "cadence": "*/2 * * * *",
            "source": {"url": "http://127.0.0.1:1/meters.json"},
            "contract": [{"name": "id"}, {"name": "at"}, *fields],
            "time": {"fields": ["at"]},
        }
    )


def poll_of(feed: Feed, tick: int, *records: Any, body: bytes | None = None) -> Poll:
    """Return the scheduled poll number `tick` with these records (times filled in) or this body."""
    polled_at = FIRST_TICK + timedelta(minutes=2 * tick)
    filled = [{"at": polled_at.isoformat(), **r} if isinstance(r, dict) else r for r in records]
    answer = Answer(json.dumps(filled).encode() if body is None else body, 200, polled_at, 0.1, 1)
    cause = scheduled(feed.name, FIRST_TICK + timedelta(minutes=2 * tick))
    return judge_answer(feed, contract_judge(feed), lambda _: cause, "http://127.0.0.1:1/meters.json", answer)


def ingest(catalog: Catalog, feed: Feed, *polls: Poll) -> Written:
    """Create or change the tables, then commit, like a run."""
    ensure_feed_tables(catalog, feed)
    return commit_polls(catalog, feed, polls, {})
