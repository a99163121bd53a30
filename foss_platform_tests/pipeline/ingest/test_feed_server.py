"""The stand-in feed over real HTTP on loopback: both paces, headers, shutdown, and `foss feed`."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Literal
from urllib.parse import urlsplit

import pytest
import requests

from foss_platform.cli.run.feed import EXCERPT, feed
from foss_platform.errors import ConfigurationError
from foss_platform.ingest.recording.feed_server import FeedServer
from foss_platform.ingest.recording.recording import RecordedPoll, read_recording

AT = datetime(2020, 10, 25, 0, 59, tzinfo=UTC)
POLLS = [RecordedPoll(AT + timedelta(minutes=4 * number), f'["ø{number}"]'.encode()) for number in range(3)]
TIMEOUT = 10


def get(url: str) -> requests.Response:
    return requests.get(url, timeout=TIMEOUT)


def test_step_serves_each_poll_once_then_410() -> None:
    with FeedServer(POLLS, pace="step") as server:
        answers = [get(server.url) for _ in range(5)]
        assert server.served == 3
    assert [answer.status_code for answer in answers] == [200, 200, 200, 410, 410]
    assert [answer.content for answer in answers[:3]] == [poll.body for poll in POLLS]
    assert [answer.headers["Date"] for answer in answers[:3]] == [
        format_datetime(poll.polled_at, usegmt=True) for poll in POLLS
    ]
    assert {answer.headers["Content-Type"] for answer in answers[:3]} == {"application/json"}
    assert len(answers[0].raw.headers.getlist("Date")) == 1


def test_where_each_pace_starts() -> None:
    with FeedServer(POLLS, pace="step", start=AT + timedelta(seconds=1)) as server:
        assert get(server.url).content == POLLS[1].body
    with FeedServer(POLLS, pace=1, clock=lambda: 5.0) as server:
        assert get(server.url).content == POLLS[0].body


def test_statuses_are_the_recordings() -> None:
    polls = [replace(POLLS[0], http_status=503, body=b"down"), POLLS[1]]
    with FeedServer(polls, pace="step") as server:
        answers = [get(server.url) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [503, 200]
    assert answers[0].headers["Retry-After"] == "0"
    assert answers[0].content == b"down"
    assert "Retry-After" not in answers[1].headers


def test_speed_follows_the_clock_and_freezes_after_the_last_poll() -> None:
    clock = SimpleNamespace(now=1000.0)
    with FeedServer(reversed(POLLS), pace=60.0, start=AT - timedelta(minutes=1), clock=lambda: clock.now) as server:
        seen: list[bytes | int] = []
        for elapsed in (0.0, 0.99, 1.0, 4.99, 5.0, 9.0, 1000.5):
            clock.now = 1000.0 + elapsed
            answer = get(server.url)
            due = AT + timedelta(minutes=elapsed - 1)
            assert answer.headers["Date"] == answer.headers["Last-Modified"] == format_datetime(due, usegmt=True)
            seen.append(answer.content if answer.ok else answer.status_code)
        clock.now = 1e300
        assert get(server.url).headers["Date"].startswith("Fri, 31 Dec 9999")
        assert server.served == 6
    assert seen == [503, 503, *(POLLS[number].body for number in (0, 0, 1, 2, 2))]


@pytest.mark.parametrize("pace", ["step", 1.0])
def test_validators_change_even_if_the_data_does_not(pace: Literal["step"] | float) -> None:
    clock = SimpleNamespace(now=1000.0)
    same = [replace(poll, body=b"[]") for poll in POLLS]
    with FeedServer(same, pace=pace, clock=lambda: clock.now) as server:
        first = get(server.url)
        clock.now += 60
        second = requests.get(server.url, headers={"If-None-Match": first.headers["ETag"]}, timeout=TIMEOUT)
    assert second.status_code == 200
    assert first.content == second.content
    assert first.headers["ETag"] != second.headers["ETag"]
    assert first.headers["Last-Modified"] != second.headers["Last-Modified"]


def test_head_does_not_advance_the_feed() -> None:
    with FeedServer(POLLS, pace="step") as server:
        head = requests.head(server.url, timeout=TIMEOUT)
        assert (head.status_code, head.content, server.served) == (200, b"", 0)
        assert head.headers["Content-Length"] == str(len(POLLS[0].body))
        assert get(server.url + "?a=b").content == POLLS[0].body


def test_other_paths_and_methods(capfd: pytest.CaptureFixture[str]) -> None:
    with FeedServer(POLLS, pace="step") as server:
        assert get(server.url.replace("parking", "other")).status_code == 404
        assert requests.head(server.url + "/x", timeout=TIMEOUT).status_code == 404
        assert requests.post(server.url, data="x", timeout=TIMEOUT).status_code == 501
        assert server.served == 0
    assert capfd.readouterr() == ("", "")


def test_pollers_at_the_same_time_never_share_a_step() -> None:
    polls = [replace(POLLS[0], body=json.dumps(number).encode()) for number in range(60)]
    with FeedServer(polls, pace="step") as server, ThreadPoolExecutor(6) as pool:
        got = sorted(answer.json() for answer in pool.map(get, itertools.repeat(server.url, 60)))
        assert server.served == 60
    assert got == list(range(60))


def test_close_ends_every_thread_even_with_a_silent_client() -> None:
    before = set(threading.enumerate())
    server = FeedServer(POLLS, pace="step")
    port = urlsplit(server.url).port or 0
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT):
        get(server.url)
        server.close()
        server.close()
    assert set(threading.enumerate()) == before
    with pytest.raises(requests.ConnectionError):
        get(server.url)
    with FeedServer(POLLS, pace="step", port=port) as again:
        assert get(again.url).ok


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: FeedServer([], pace="step"), "no poll"),
        (lambda: FeedServer(POLLS, pace="step", start=AT + timedelta(days=1)), "no poll"),
        (lambda: FeedServer(POLLS, pace="jump"), "'jump'"),  # type: ignore[arg-type]
        (lambda: FeedServer(POLLS, pace=0), "pace 0"),
        (lambda: FeedServer(POLLS, pace=float("nan")), "pace nan"),
        (lambda: FeedServer(POLLS, pace=float("inf")), "pace inf"),
        (lambda: FeedServer(POLLS, pace=1, start=AT.replace(tzinfo=None)), "no zone"),
        (lambda: FeedServer(POLLS, pace=1, port=70_000), "70000"),
        (lambda: feed(file=EXCERPT, start="2020-10-25T02:00:00"), "--from.*no zone"),
        (lambda: feed(file=EXCERPT, start="soon"), "--from.*'soon'"),
        (lambda: feed(file=EXCERPT, start="2021-10-25T02:00:00Z"), "outside excerpt.csv"),
        (lambda: feed(file=EXCERPT, speed=-1.0), "pace -1"),
        (lambda: feed(file=Path("none.jsonl")), "none.jsonl"),
    ],
)
def test_invalid_arguments_give_one_clear_error(make: Callable[[], object], problem: str) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ConfigurationError, match=problem) as caught:
        make()
    assert caught.value.remedy
    assert signal.getsignal(signal.SIGTERM) is before


def test_port_in_use_gives_one_clear_error() -> None:
    with FeedServer(POLLS, pace="step") as server:
        port = urlsplit(server.url).port or 0
        for make in (lambda: FeedServer(POLLS, pace="step", port=port), lambda: feed(file=EXCERPT, port=port)):
            with pytest.raises(ConfigurationError, match=f"Port {port}"):
                make()


def test_included_excerpt_is_served_unchanged() -> None:
    polls = list(read_recording(EXCERPT))
    with FeedServer(polls, pace="step") as server:
        for poll in polls:
            answer = get(server.url)
            assert (answer.status_code, answer.content) == (poll.http_status, poll.body)


@pytest.mark.parametrize(("number", "options"), [(signal.SIGINT, ["--step"]), (signal.SIGTERM, ["--speed", "60"])])
def test_foss_feed_serves_until_a_signal(number: signal.Signals, options: list[str]) -> None:
    code = "import typer; from foss_platform.cli.run.feed import feed; typer.run(feed)"
    command = [sys.executable, "-c", code, "--port", "0", "--from", "2020-10-25T02:59:00+02:00", *options]
    environment = {**os.environ, "COLUMNS": "40"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        assert process.stdout is not None
        shown = list(itertools.takewhile(lambda line: "FOSS_FEED" not in line, process.stdout))
        assert "806 polls, 7 of them synthetic, 2020-10-24T16:01:00Z to 2020-10-26T22:57:00Z" in "".join(shown)
        url = next(line for line in shown if "http://" in line).split()[1]
        answer = get(url)
        process.send_signal(number)
        rest, errors = process.communicate(timeout=30)
    assert answer.json()[0]["Klokkeslett"] == "02:56"
    assert rest.strip() == "Stopped after 1 responses."
    assert (process.returncode, errors) == (0, "")
