"""`foss dev`: the Dagster UI and daemon on this machine, over the live feed or a recorded one."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta
from typing import Annotated

import typer

from foss_platform.cli.feed import EXCERPT
from foss_platform.cli.terminal import output
from foss_platform.settings import PROJECT_ROOT, Feed

# of the excerpt: enough before it to draw a day, and the freeze of 26 October soon after
_HOURS_TAKEN_IN = 28


def dev(
    feed: Annotated[Feed, typer.Option(help="Whose feed is polled.")] = Feed.LIVE,
    port: Annotated[int, typer.Option(help="Of the UI, on 127.0.0.1.", min=1, max=65535)] = 3000,
    speed: Annotated[float, typer.Option(help="Of the recorded feed: recorded seconds per second.")] = 1.0,
) -> None:
    """Start the Dagster UI and daemon; the schedule is on, so that the graph fills by itself. Ctrl-C ends it."""
    from foss_platform.cli.instance import prepare_dagster_home
    from foss_platform.settings import load_settings

    settings = load_settings()
    with ExitStack() as stack:
        if feed is Feed.RECORDED:
            os.environ["FOSS_HOME"] = str(settings.home / "recorded")
            os.environ["FOSS_FEED"] = Feed.RECORDED.value
            settings = load_settings()
            os.environ["STAVANGER_PARKING_URL"] = _serve_excerpt(stack, speed)
        prepare_dagster_home(settings)
        command = [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)]
        command += ["-w", str(PROJECT_ROOT / "workspace.yaml")]
        output().print(
            f"Dagster: [bold]http://127.0.0.1:{port}[/]  (state in {settings.home}; Ctrl-C ends it)", soft_wrap=True
        )
        process = subprocess.Popen(command, cwd=PROJECT_ROOT)
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: process.send_signal(signal.SIGINT))
        raise typer.Exit(process.wait() if process.poll() is None else process.returncode)


def _serve_excerpt(stack: ExitStack, speed: float) -> str:
    """Take in the excerpt's first hours, unless that was done, and serve it from there on; returns the URL."""
    from foss_platform.cli.pages import find_feed
    from foss_platform.cli.recorded import take_in
    from foss_platform.ingest.feed_server import FeedServer
    from foss_platform.ingest.recording import read_recording
    from foss_platform.settings import load_settings

    polls = list(read_recording(EXCERPT))
    start = polls[0].polled_at + timedelta(hours=_HOURS_TAKEN_IN)
    earlier = [poll for poll in polls if poll.polled_at < start]
    totals = take_in(load_settings(), find_feed("stavanger_parking"), EXCERPT, earlier)
    output().print(f"{totals.new_polls} recorded polls taken in; the feed goes on from {start:%d %B %Y, %H:%M} UTC.")
    return stack.enter_context(FeedServer(polls, pace=speed, start=start)).url
