"""`foss dev`: run the Dagster UI and daemon on this machine, over the live feed or a recorded one."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Annotated

import typer

from foss_platform.cli.run.feed import EXCERPT
from foss_platform.cli.run.supervisor import ENDING_SECONDS
from foss_platform.cli.shared.terminal import messages, output
from foss_platform.errors import ConfigurationError
from foss_platform.settings import FeedMode

# The point in the excerpt from which it is served. The earlier polls are enough to draw a day, and contain the feed's
# maintenance page. The feed's freeze follows four hours later.
_TAKEN_IN = timedelta(hours=28, minutes=10)
# time until the user is warned that Dagster does not answer. It usually starts in 8 s, on a busy machine in 30 s
_READY_SECONDS = 90.0
# the beginnings of Dagster's warnings about its own interfaces, which are meant for its developers
_HUSHED = "ignore:Parameter `,ignore:Function `,ignore:Class `"


def dev(
    feed: Annotated[FeedMode, typer.Option(help="The feed to poll.")] = FeedMode.LIVE,
    port: Annotated[int, typer.Option(help="Port of the UI on 127.0.0.1.", min=1, max=65535)] = 3000,
    speed: Annotated[float, typer.Option(help="Speed of the recorded feed, in recorded seconds per second.")] = 1.0,
) -> None:
    """Start the Dagster UI and daemon with the schedules on, so that the tables fill. Ctrl-C stops everything."""
    from foss_platform.cli.shared.instance import prepare_dagster_home
    from foss_platform.settings import load_settings

    settings = load_settings()
    _refuse_taken(port)
    with ExitStack() as stack:
        if feed is FeedMode.RECORDED:
            os.environ["FOSS_HOME"] = str(settings.home / "recorded")
            os.environ["FOSS_FEED"] = FeedMode.RECORDED.value
            settings = load_settings()
            os.environ["STAVANGER_PARKING_URL"] = _serve_excerpt(stack, speed)
        prepare_dagster_home(settings)
        # Dagster's processes start in the project's folder, where relative paths would differ, so pass full paths
        for name in ("project", "home", "dbt_project"):
            os.environ[f"FOSS_{name.upper()}"] = str(getattr(settings, name))
        os.environ.setdefault("PYTHONWARNINGS", _HUSHED)
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            # a process started with `nohup` ignores SIGHUP and must outlive its terminal, so it gets no handler for it
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda *_: stop.set())
        output().print(f"Starting Dagster. Its state is in {settings.home}.", soft_wrap=True)
        process = stack.enter_context(_dagster(port, settings.project))
        is_up, told, late = False, False, time.monotonic() + _READY_SECONDS
        while process.poll() is None and not stop.wait(0.2):
            if not is_up and not told and time.monotonic() > late:
                told = True
                messages().print(
                    f"[bold yellow]warning:[/] http://127.0.0.1:{port}/server_info has not answered correctly for "
                    f"{_READY_SECONDS:.0f} s. Dagster may still be loading. If it failed, its messages are above.",
                    soft_wrap=True,
                )
            if not is_up and (is_up := _answers(port)):
                output().print(f"Dagster: [bold]http://127.0.0.1:{port}[/]  (Ctrl-C stops it)", soft_wrap=True)
    raise typer.Exit(0 if stop.is_set() else 1)


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise ConfigurationError(
                f"Port {port} is in use.", "Stop the program that uses it, or choose another --port."
            ) from None


def _answers(port: int) -> bool:
    # requests to this machine are sent directly, even if the environment configures a proxy
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://127.0.0.1:{port}/server_info", timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False


@contextmanager
def _dagster(port: int, project: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a supervisor that starts Dagster's processes, and ends them when this process ends, even after SIGKILL.

    They share a session of their own. So Ctrl-C does not reach them, and if the supervisor dies, the whole process
    group can still be killed.
    """
    command = [sys.executable, "-m", "foss_platform.cli.run.supervisor", str(port)]
    supervisor = subprocess.Popen(command, cwd=project, start_new_session=True, stdin=subprocess.PIPE)
    assert supervisor.stdin is not None
    try:
        yield supervisor
    finally:
        supervisor.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            supervisor.wait(2 * ENDING_SECONDS)
        # if the supervisor was killed, nothing else ends these processes
        with suppress(ProcessLookupError):
            os.killpg(supervisor.pid, signal.SIGKILL)
        supervisor.wait()


def _serve_excerpt(stack: ExitStack, speed: float) -> str:
    """Load the excerpt's first hours, unless they are already loaded, and serve the rest. Returns the URL."""
    from foss_platform.cli.shared.pages import find_feed
    from foss_platform.cli.shared.recorded import ingest
    from foss_platform.ingest.recording.feed_server import FeedServer
    from foss_platform.ingest.recording.recording import read_recording
    from foss_platform.settings import load_settings

    polls = list(read_recording(EXCERPT))
    start = polls[0].polled_at + _TAKEN_IN
    earlier = [poll for poll in polls if poll.polled_at < start]
    totals = ingest(load_settings(), find_feed("stavanger_parking"), EXCERPT, earlier)
    output().print(f"{totals.new_polls} recorded polls loaded. The feed continues from {start:%d %B %Y, %H:%M} UTC.")
    return stack.enter_context(FeedServer(polls, pace=speed, start=start)).url
