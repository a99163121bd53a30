"""The polls that benchmarks take in.

The real month where it is at hand, else the carried excerpt, over and over; or made up, for any moment.
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
from foss_platform.settings import PROJECT_ROOT, Settings

PIPELINE = "stavanger_parking"
REAL_RECORDING = PROJECT_ROOT.parent / "shared" / "data" / "stavanger" / "polls-2020-10-14_2020-11-15.jsonl.gz"
REAL_POLLS = 11_625
#: A poll every two minutes.
PACE = timedelta(minutes=2)
#: The car parks of a made-up poll, a record each.
SITES = ("Jernbanen", "Valberget", "Posten", "Jorenholmen", "St Olav", "Siddis", "Forum", "Kyrre", "Parketten")

_ZONE = ZoneInfo("Europe/Oslo")


def excerpt() -> list[RecordedPoll]:
    """The excerpt's real polls; the synthetic ones are there for tests."""
    return [poll for poll in read_recording(EXCERPT) if not poll.synthetic]


def bulk(count: int) -> list[RecordedPoll]:
    """So many polls, none at the same time as another."""
    if REAL_RECORDING.exists():
        return list(islice(read_recording(REAL_RECORDING), count))
    carried = excerpt()
    span = carried[-1].polled_at - carried[0].polled_at + timedelta(minutes=2)
    return [
        RecordedPoll(poll.polled_at + number // len(carried) * span, poll.body, poll.http_status)
        for number, poll in enumerate(islice(cycle(carried), count))
    ]


def made_up_body(polled_at: datetime) -> bytes:
    """What the feed would have answered: a record a car park, read one pace before."""
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
    """Where the polls of `bulk` come from, for the report."""
    return "the real month" if REAL_RECORDING.exists() else f"the carried excerpt ({Path(EXCERPT).name}), repeated"


def take_in(settings: Settings, polls: list[RecordedPoll]) -> None:
    """Into bronze and the poll log, as `foss replay` does it."""
    replay(open_catalog(settings), find_feed(PIPELINE), polls, "recording:benchmark", {})
