"""Polls for the benchmarks.

The polls of the real month if it is available, else the included excerpt repeated. Synthetic polls for any moment.
"""

import json
from datetime import datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from zoneinfo import ZoneInfo

from foss_platform.cli.run.feed import EXCERPT
from foss_platform.cli.shared.pages import find_feed
from foss_platform.ingest.recording.recording import RecordedPoll, read_recording
from foss_platform.ingest.recording.replay import replay
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.settings import Settings
from foss_platform_tests.repository import PROJECT_ROOT

PIPELINE = "stavanger_parking"
REAL_RECORDING = PROJECT_ROOT.parent / "shared" / "data" / "stavanger" / "polls-2020-10-14_2020-11-15.jsonl.gz"
REAL_POLLS = 11_625
#: Interval between polls.
PACE = timedelta(minutes=2)
#: Car parks of a synthetic poll, one record each.
SITES = ("Jernbanen", "Valberget", "Posten", "Jorenholmen", "St Olav", "Siddis", "Forum", "Kyrre", "Parketten")

_ZONE = ZoneInfo("Europe/Oslo")


def excerpt() -> list[RecordedPoll]:
    """Return the excerpt's real polls. Its synthetic polls are for tests."""
    return [poll for poll in read_recording(EXCERPT) if not poll.synthetic]


def bulk(count: int) -> list[RecordedPoll]:
    """Return the given number of polls, each at a different time."""
    if REAL_RECORDING.exists():
        return list(islice(read_recording(REAL_RECORDING), count))
    carried = excerpt()
    span = carried[-1].polled_at - carried[0].polled_at + timedelta(minutes=2)
    return [
        RecordedPoll(poll.polled_at + number // len(carried) * span, poll.body, poll.http_status)
        for number, poll in enumerate(islice(cycle(carried), count))
    ]


def made_up_body(polled_at: datetime) -> bytes:
    """Return a synthetic answer of the feed: one record per car park, read one interval before the poll."""
    read_at = (polled_at - PACE).astimezone(_ZONE)
    seed = int(polled_at.timestamp()) // 60
    records = [
        {
            "Dato": f"{read_at:%d.%m.%Y}",
            "Klokkeslett": f"{read_at:%H:%M}",
            "Sted": site,
            "Latitude": f"58.96{place}",
            "Longitude": f"5.73{place}",
            "Antall_ledige_plasser": str((seed * 7 + place * 31) % 400),
        }
        for place, site in enumerate(SITES)
    ]
    return json.dumps(records).encode()


def origin() -> str:
    """Return the source of the polls of `bulk`, for the report."""
    return "the real month" if REAL_RECORDING.exists() else f"the included excerpt ({Path(EXCERPT).name}), repeated"


def ingest(settings: Settings, polls: list[RecordedPoll]) -> None:
    """Commit polls to bronze and the poll log, as `foss replay` does."""
    replay(open_catalog(settings), find_feed(PIPELINE), polls, "recording:benchmark", {})
