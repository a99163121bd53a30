"""`foss feed`: serve a recording over HTTP in place of the feed.

See `ingest.recording.feed_server` for the server and `ingest.recording.recording` for reading recordings.
"""

import signal
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from foss_platform.errors import ConfigurationError
from foss_platform.ingest.recording.feed_server import FeedServer
from foss_platform.ingest.recording.recording import RecordedPoll, parse_time, read_recording

EXCERPT = Path(__file__).resolve().parents[2] / "defs" / "stavanger_parking" / "excerpt.csv"


def feed(
    file: Annotated[
        Path, typer.Argument(help="The recording to serve.", show_default="the included excerpt")
    ] = EXCERPT,
    start: Annotated[
        str | None,
        typer.Option("--from", help="Start at this ISO time with a zone. Default: the first poll.", metavar="TIME"),
    ] = None,
    speed: Annotated[float, typer.Option(help="Recorded seconds per second.")] = 1.0,
    step: Annotated[
        bool, typer.Option("--step", help="Serve the next poll at each request. Excludes --speed.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1. 0 chooses a free port.", min=0, max=65535)] = 8765,
) -> None:
    """Serve a recording of the parking feed (.jsonl, .jsonl.gz or .csv) over HTTP until Ctrl-C."""
    polls = list(read_recording(file))
    began = _start(start, polls, file)
    stopped = threading.Event()
    before = {name: signal.signal(name, lambda *_: stopped.set()) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        with FeedServer(polls, pace="step" if step else speed, start=began, port=port) as server:
            _show(server.url, file, polls, began, f"{speed:g} times its pace" if not step else "one poll per request")
            stopped.wait()
            _say(f"Stopped after {server.served:,} responses.")
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _start(text: str | None, polls: Sequence[RecordedPoll], file: Path) -> datetime | None:
    if text is None:
        return None
    try:
        start = parse_time(text)
    except ValueError as error:
        raise ConfigurationError(f"--from is not valid: {error}.", "Use an ISO time with a zone.") from None
    times = [poll.polled_at for poll in polls]
    if times and not min(times) <= start <= max(times):
        span = f"{_iso(min(times))} to {_iso(max(times))}"
        raise ConfigurationError(f"--from {text} is outside {file.name}.", f"Choose a time from {span}.")
    return start


def _show(url: str, file: Path, polls: Sequence[RecordedPoll], began: datetime | None, pace: str) -> None:
    times = [poll.polled_at for poll in polls]
    synthetic = sum(1 for poll in polls if poll.synthetic)
    _say(f"Serving {file}")
    _say(f"  {len(polls):,} polls, {synthetic} of them synthetic, {_iso(min(times))} to {_iso(max(times))}")
    _say(f"  starting at {_iso(began or min(times))}, {pace}")
    _say(f"  at {url} until Ctrl-C")
    _say("To poll it, set:")
    _say(f"  STAVANGER_PARKING_URL={url} FOSS_FEED=recorded")


def _iso(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def _say(text: str) -> None:
    # users copy this line into a shell, so it is neither wrapped nor styled
    Console(highlight=False).print(text, markup=False, soft_wrap=True)
