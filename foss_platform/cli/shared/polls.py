"""Polls a feed many times and commits all polls together, for the demo."""

import time
import uuid
from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING

from foss_platform.cli.shared.pages import find_feed
from foss_platform.cli.shared.terminal import messages
from foss_platform.errors import TransientError
from foss_platform.settings import FeedMode, Settings

if TYPE_CHECKING:
    from foss_platform.ingest.poll.poll import Poll
    from foss_platform.ingest.recording.replay import ReplayTotals

#: Limits: consecutive polls that never reached the server (each with its own retries), and seconds for all polls.
_MAX_LOST, _MAX_SECONDS = 2, 600.0


def poll_many(settings: Settings, pipeline: str, served: Callable[[], int], wanted: int) -> "ReplayTotals":
    """Poll over HTTP until the server has served `wanted` polls. All polls are committed in one commit.

    Parameters
    ----------
    served
        Returns how many polls the server has answered so far.

    Raises
    ------
    TransientError
        If polls do not reach the server, or take too long. Nothing is committed then.
    """
    import requests

    from foss_platform.ingest.bronze.commit_polls import commit_polls, ensure_feed_tables
    from foss_platform.ingest.http.clock import system_clock
    from foss_platform.ingest.poll.batch import requested
    from foss_platform.ingest.poll.poll import FeedPoller, Poll
    from foss_platform.ingest.recording.replay import ReplayTotals
    from foss_platform.lake.connect.catalog import open_catalog

    feed = find_feed(pipeline)
    catalog = open_catalog(settings)
    ensure_feed_tables(catalog, feed)
    request = uuid.uuid4()
    polls: list[Poll] = []
    with requests.Session() as session, messages().status("polling …"):
        poller = FeedPoller(feed, session, system_clock, trust_date=settings.feed is FeedMode.RECORDED)
        deadline, lost = time.monotonic() + _MAX_SECONDS, 0
        while (before := served()) < wanted:
            poll = poller.poll(requested(feed.name, f"{request}-{len(polls):06d}"))
            polls.append(poll)
            lost = lost + 1 if served() == before else 0
            if lost >= _MAX_LOST or time.monotonic() > deadline:
                raise _stuck(before, wanted, poll)
    written = commit_polls(catalog, feed, polls, {"foss.version": version("foss-platform")})
    totals = ReplayTotals()
    totals.add(len(polls), sum(poll.error is not None for poll in polls), written)
    return totals


def _stuck(served: int, wanted: int, last: "Poll") -> TransientError:
    why = f"{last.error.problem} " if last.error is not None else ""
    remedy = last.error.remedy if last.error is not None else ""
    return TransientError(f"Polling stopped after {served} of {wanted} polls. {why}".strip(), remedy)
