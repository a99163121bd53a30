"""Behind a proxy: this machine is reached directly, other feeds through the proxy, and errors name the proxy."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from foss_platform.cli.shared.polls import poll_many
from foss_platform.errors import TransientError
from foss_platform.ingest.http.clock import system_clock
from foss_platform.ingest.http.fetch import FetchError, LastingFetchError, PassingFetchError, fetch
from foss_platform.ingest.recording.feed_server import FeedServer
from foss_platform.ingest.recording.recording import RecordedPoll
from foss_platform.proxies import keep_loopback_direct, without_credentials
from foss_platform.settings import load_settings
from foss_platform_tests.pipeline.ingest.loopback import answer, misbehaving, silence, source_of

SPELLINGS = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
REFUSALS = {"403": answer("403 Forbidden"), "407": answer("407 Proxy Authentication Required"),
            "502": answer("502 Bad Gateway"), "silent": silence}  # fmt: skip
MALFORMED = ("http://", "http://[half", "http://host:port")
USER = "http://user:p@ss@"
POLL = RecordedPoll(datetime(2020, 10, 24, tzinfo=UTC), b"[]")


@pytest.fixture(autouse=True)
def _no_proxy_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SPELLINGS, "grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("no_proxy", "NO_PROXY"):
        # to restore it afterwards
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@contextmanager
def proxy(kind: str) -> Iterator[str]:
    """The address of a dead, malformed, refusing or silent proxy, with a user if the address can have one."""
    if kind in REFUSALS:
        with misbehaving(REFUSALS[kind]) as server:
            yield f"{USER}127.0.0.1:{server.port}"
        return
    if kind == "dead":
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            yield f"{USER}127.0.0.1:{closed.getsockname()[1]}"
        return
    yield kind


@pytest.mark.parametrize("kind", ["dead", *REFUSALS, *MALFORMED])
def test_this_machine_is_reached_directly(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for spelling in SPELLINGS:
        for exceptions in (None, "no_proxy", "NO_PROXY"):
            with monkeypatch.context() as changed, proxy(kind) as address, FeedServer([POLL], pace=1) as feed:
                changed.setenv(spelling, address)
                if exceptions:
                    changed.setenv(exceptions, "example.org")
                keep_loopback_direct()
                for host in ("127.0.0.1", "localhost"):
                    url = feed.url.replace("127.0.0.1", host)
                    with requests.Session() as session:
                        assert fetch(source_of(url), session, system_clock).http_status == 200, (spelling, host)
            for name in ("no_proxy", "NO_PROXY"):
                monkeypatch.setenv(name, "")
                monkeypatch.delenv(name)


def test_no_proxy_entries_are_kept_and_a_star_is_not_extended() -> None:
    environment = {"HTTP_PROXY": "http://proxy:3128", "no_proxy": "a.example, b.example", "NO_PROXY": "c.example"}
    keep_loopback_direct(environment)
    keep_loopback_direct(environment)
    entries = environment["no_proxy"].split(",")
    assert entries[:3] == ["a.example", "b.example", "c.example"]
    assert {"localhost", "127.0.0.1", "::1"} <= set(entries)
    assert len(entries) == len(set(entries))
    assert environment["no_proxy"] == environment["NO_PROXY"]
    starred = {"https_proxy": "http://proxy:3128", "NO_PROXY": "*"}
    keep_loopback_direct(starred)
    assert starred["no_proxy"] == starred["NO_PROXY"] == "*"
    without: dict[str, str] = {"HTTP_PROXY": ""}
    keep_loopback_direct(without)
    assert without == {"HTTP_PROXY": ""}


# how each client of the platform reaches a server on this machine
CLIENTS = {
    "requests": "import requests; assert requests.get(url).status_code == 200",
    "urllib": "import urllib.request; assert urllib.request.urlopen(url).status == 200",
    "duckdb": (
        "import duckdb, foss_platform.lake.query.duckdb_views as duck; c = duckdb.connect(); "
        "c.execute(f\"load '{duck._extension_file('httpfs')}'\"); c.execute(f\"from read_text('{url}')\").fetchall()"
    ),
    "grpc": (
        "import grpc, concurrent.futures as f; s = grpc.server(f.ThreadPoolExecutor(1)); "
        "p = s.add_insecure_port('127.0.0.1:0'); s.start()\n"
        "for host in ('127.0.0.1', 'localhost'):\n"
        "    grpc.channel_ready_future(grpc.insecure_channel(f'{host}:{p}')).result(timeout=20)"
    ),
}


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_reaches_this_machine_directly(client: str) -> None:
    for spelling in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "grpc_proxy"):
        with misbehaving(REFUSALS["502"]) as refusing, misbehaving(answer("200 OK", body=b"[]")) as feed:
            script = (
                f"import os; os.environ[{spelling!r}] = 'http://127.0.0.1:{refusing.port}'\n"
                "from foss_platform.proxies import keep_loopback_direct; keep_loopback_direct()\n"
                f"url = {feed.url!r}\n{CLIENTS[client]}"
            )
            done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stderr
            assert refusing.paths == [], spelling


def test_a_feed_elsewhere_goes_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    # a feed server also answers requests with a full URL, as sent to a proxy
    with FeedServer([POLL], pace=1) as forwarding, requests.Session() as session:
        monkeypatch.setenv("HTTP_PROXY", forwarding.url.removesuffix("/parking.json"))
        keep_loopback_direct()
        answered = fetch(source_of("http://feed.invalid/parking.json"), session, system_clock)
        assert (answered.http_status, forwarding.served) == (200, 1)


@pytest.mark.parametrize("kind", ["dead", *REFUSALS, *MALFORMED])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_error_names_the_proxy_and_the_remedy(kind: str, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy(kind) as address, requests.Session() as session:
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", address)
        keep_loopback_direct()
        with pytest.raises(FetchError) as refused:
            fetch(source_of(f"{scheme}://feed.invalid/x.json", timeout=2), session, system_clock)
        said = str(refused.value)
        assert f"the proxy {without_credentials(address)}" in said
        assert "NO_PROXY" in said
        assert "p@ss" not in said
        assert "ss@" not in said
        if kind in MALFORMED:
            assert isinstance(refused.value, LastingFetchError)
        elif kind in ("dead", "502", "silent"):
            assert isinstance(refused.value, PassingFetchError)


def test_unanswered_polls_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOSS_HOME", str(tmp_path))
    monkeypatch.setenv("HTTP_PROXY", "http://")
    monkeypatch.setenv("STAVANGER_PARKING_URL", "http://feed.invalid/parking.json")
    with pytest.raises(TransientError, match=r"stopped after 3 of 9 polls\. .* the proxy http:// is not a URL"):
        poll_many(load_settings(), "stavanger_parking", lambda: 3, wanted=9)
