"""Polling a feed many times in one go and committing the polls together: the demo's way to catch up."""

import uuid
from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING

from foss_platform.cli.pages import find_feed
from foss_platform.cli.terminal import messages
from foss_platform.settings import Feed, Settings

if TYPE_CHECKING:
    from foss_platform.ingest.replay import ReplayTotals


def poll_many(settings: Settings, pipeline: str, until: Callable[[], bool]) -> "ReplayTotals":
    """Poll over HTTP, each poll a request of its own, until told to end; one commit for all of them."""
    import requests

    from foss_platform.ingest.batch import requested
    from foss_platform.ingest.bronze import commit_polls, ensure_feed_tables
    from foss_platform.ingest.clock import system_clock
    from foss_platform.ingest.poll import FeedPoller, Poll
    from foss_platform.ingest.replay import ReplayTotals
    from foss_platform.lake.catalog import open_catalog

    feed = find_feed(pipeline)
    catalog = open_catalog(settings)
    ensure_feed_tables(catalog, feed)
    request = uuid.uuid4()
    polls: list[Poll] = []
    with requests.Session() as session, messages().status("polling …"):
        poller = FeedPoller(feed, session, system_clock, trust_date=settings.feed is Feed.RECORDED)
        while not until():
            polls.append(poller.poll(requested(feed.name, f"{request}-{len(polls):06d}")))
    written = commit_polls(catalog, feed, polls, {"foss.version": version("foss-platform")})
    totals = ReplayTotals()
    totals.add(len(polls), sum(poll.error is not None for poll in polls), written)
    return totals
