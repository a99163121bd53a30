"""The UI in a real browser: the real webserver on a home with one run."""

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from foss_platform.cli.run.feed import EXCERPT
from foss_platform.cli.shared.instance import open_instance
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.recording.feed_server import FeedServer
from foss_platform.ingest.recording.recording import RecordedPoll, read_recording
from foss_platform.ingest.recording.replay import replay
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.settings import Settings
from foss_platform_tests.browser import Page, end_process, opened_page, until
from foss_platform_tests.repository import PROJECT_ROOT

PIPELINE = "stavanger_parking"
TABLES = (
    "polls", "stavanger_parking", "stavanger_parking__rejected", "parking_sites", "parking_readings",
    "parking_latest", "parking_hourly", "parking_typical_week", "parking_feed_health",
)  # fmt: skip
CHECKS = ("rows_in_expected_range", "records_keep_contract", "feed_not_frozen", "feed_not_late")
_TEXT = "document.body.innerText"
_PLOT = "[...document.images].find(image => image.src.startsWith('data:image/png'))"
_COLOURS = f"""(() => {{
    const image = {_PLOT}, canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    return new Set(new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size;
}})()"""


def test_the_ui_shows_the_graph_and_a_decoded_plot(
    tmp_path: Path, parsed_settings: Settings, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = parsed_settings
    monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
    polls = list(read_recording(EXCERPT))
    with ExitStack() as stack:
        page = stack.enter_context(opened_page(tmp_path / "browser", size=(3000, 2200)))
        open_instance(settings).dispose()
        # the run and the webserver start side by side
        starting = stack.enter_context(webserver(tmp_path, settings))
        replay(open_catalog(settings), feed, polls[:-1], "recording:excerpt.csv", {})
        run_once(settings, feed, polls[-1])
        url = starting()
        see_graph(page, url)
        see_plot(page, url)
        see_checks(page, url)
        assert page.errors == []


def run_once(settings: Settings, feed: Feed, poll: RecordedPoll) -> None:
    """Execute `foss run` against a server that serves this poll."""
    with FeedServer([poll], pace="step") as server:
        given = {"FOSS_HOME": str(settings.home), "FOSS_FEED": "recorded", "STAVANGER_PARKING_URL": server.url}
        command = [sys.executable, "-c", "from foss_platform.cli.main import run; run()", "run", feed.name]
        done = subprocess.run(
            command, env={**os.environ, **given}, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=120
        )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def webserver(folder: Path, settings: Settings) -> Iterator[Callable[[], str]]:
    """Run Dagster's webserver without the daemon. The returned function waits for it and returns its URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    given = {"FOSS_HOME": str(settings.home), "FOSS_AUTOMATION": "off"}
    command = [sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port)]
    command += ["-w", str(PROJECT_ROOT / "workspace.yaml")]
    log = folder / "webserver.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **given}, cwd=PROJECT_ROOT,
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"

    def wait() -> str:
        until(f"the webserver (see {log})", 60, lambda: process.poll() is not None or answers(f"{url}/server_info"))
        assert process.poll() is None, log.read_text()
        return url

    try:
        yield wait
    finally:
        end_process(process)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def see_graph(page: Page, url: str) -> None:
    unfolded = ",".join(f"global@global:{group}" for group in (PIPELINE, "ops"))
    page.open(f"{url}/asset-groups?expanded={unfolded}")
    for table in TABLES:
        page.wait_for(f"{_TEXT}.split('\\n').includes('{table}')", 60)


def see_plot(page: Page, url: str) -> None:
    page.open(f"{url}/assets/gold/parking_hourly?view=events")
    rows = "[...document.querySelectorAll('tr')]"
    page.click(f"{rows}.find(row => row.innerText.startsWith('plot'))?.querySelector('a, button')")
    page.wait_for(f"{_PLOT}?.complete && {_PLOT}.naturalWidth > 400 && {_PLOT}.naturalHeight > 200")
    assert page.ask(_COLOURS) > 20


def see_checks(page: Page, url: str) -> None:
    page.open(f"{url}/assets/bronze/stavanger_parking?view=checks")
    for check in CHECKS:
        page.wait_for(f"{_TEXT}.includes('{check}')")
