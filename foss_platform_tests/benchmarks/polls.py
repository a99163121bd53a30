"""The polls that benchmarks take in: the real month where it is at hand, else the carried excerpt, over and over."""

from datetime import timedelta
from itertools import cycle, islice
from pathlib import Path

from foss_platform.cli.feed import EXCERPT
from foss_platform.cli.pages import find_feed
from foss_platform.ingest.recording import RecordedPoll, read_recording
from foss_platform.ingest.replay import replay
from foss_platform.lake.catalog import open_catalog
from foss_platform.settings import PROJECT_ROOT, Settings

PIPELINE = "stavanger_parking"
REAL_RECORDING = PROJECT_ROOT.parent / "shared" / "data" / "stavanger" / "polls-2020-10-14_2020-11-15.jsonl.gz"
REAL_POLLS = 11_625


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


def origin() -> str:
    """Where the polls of `bulk` come from, for the report."""
    return "the real month" if REAL_RECORDING.exists() else f"the carried excerpt ({Path(EXCERPT).name}), repeated"


def take_in(settings: Settings, polls: list[RecordedPoll]) -> None:
    """Into bronze and the poll log, as `foss replay` does it."""
    replay(open_catalog(settings), find_feed(PIPELINE), polls, "recording:benchmark", {})
