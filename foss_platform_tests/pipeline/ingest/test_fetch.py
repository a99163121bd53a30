"""Fetching from misbehaving servers: every attempt is limited in time and every failure is reported."""

import gzip
import socket
import time
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from foss_platform.errors import PermanentError, TransientError
from foss_platform.ingest.http.addresses import safe_url
from foss_platform.ingest.http.fetch import Answer, FetchError, LastingFetchError, PassingFetchError, fetch
from foss_platform.ingest.page.feed import Feed, Source
from foss_platform.ingest.poll.batch import requested
from foss_platform.ingest.poll.poll import FeedPoller
from foss_platform_tests.pipeline.ingest.loopback import (
    Behaviour,
    answer,
    drip,
    head,
    misbehaving,
    new_session,
    pour,
    send,
    silence,
    source_of,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
THEN = datetime(2020, 10, 24, 12, tzinfo=UTC)
GOOD = answer("200 OK", body=b"[1]")
MEGABYTE = 1_000_000


def get(source: Source, waits: list[float] | None = None, *, trust_date: bool = False) -> Answer:
    slept = [] if waits is None else waits
    with new_session() as session:
        return fetch(source, session, lambda: NOW, trust_date=trust_date, sleep=slept.append)


def get_from(*behaviours: Behaviour, **source: int) -> Answer:
    with misbehaving(*behaviours) as server:
        return get(source_of(server.url, **source))


def failure(*behaviours: Behaviour, timeout: float = 5, tries: int = 1, max_bytes: int = MEGABYTE) -> FetchError:
    with misbehaving(*behaviours) as server, pytest.raises(FetchError) as caught:
        get(source_of(server.url, timeout=timeout, tries=tries, max_bytes=max_bytes))
    return caught.value


def test_a_good_answer() -> None:
    got = get_from(GOOD)
    assert (got.body, got.http_status, got.received_at, got.tries) == (b"[1]", 200, NOW, 1)
    assert 0 < got.duration_seconds < 5


@pytest.mark.parametrize(
    "status", ["500 Oops", "502 Bad", "503 Busy", "504 Slow", "408 Slow", "425 Early", "429 Stop", "599 X"]
)
def test_transient_errors_are_retried(status: str) -> None:
    waits: list[float] = []
    with misbehaving(answer(status), GOOD) as server:
        got = get(source_of(server.url, tries=3), waits)
    assert (got.body, got.tries, len(waits), len(server.paths)) == (b"[1]", 2, 1, 2)


def test_fetch_fails_after_the_configured_attempts() -> None:
    waits: list[float] = []
    with misbehaving(answer("503 Busy")) as server, pytest.raises(PassingFetchError, match="HTTP 503") as caught:
        get(source_of(server.url, tries=4), waits)
    assert (len(server.paths), len(waits), caught.value.answer.tries) == (4, 3, 4)
    assert caught.value.answer.http_status == 503
    assert all(0 <= wait <= 10 for wait in waits)


@pytest.mark.parametrize(
    "status", ["404 Not Found", "401 No", "403 No", "410 Gone", "204 Nothing", "304 Same", "302 Where"]
)
def test_permanent_errors_are_not_retried(status: str) -> None:
    with misbehaving(answer(status)) as server, pytest.raises(LastingFetchError, match=f"HTTP {status[:3]}") as caught:
        get(source_of(server.url, tries=3))
    assert len(server.paths) == 1
    assert isinstance(caught.value, PermanentError)
    assert not isinstance(caught.value, TransientError)


@pytest.mark.parametrize(
    ("header", "at_least", "at_most"),
    [
        ("Retry-After: 7", 7, 10),
        ("retry-after: 7", 7, 10),
        ("Retry-After: " + format_datetime(NOW.replace(second=9), usegmt=True), 9, 10),
        ("Retry-After: " + format_datetime(THEN, usegmt=True), 0, 10),
        ("Retry-After: 86400", 60, 60),
        ("Retry-After: " + "9" * 5000, 60, 60),
        ("Retry-After: -5", 0, 10),
        ("Retry-After: soon", 0, 10),
        ("Retry-After: \xb2", 0, 10),
        ("Retry-After: Mon, 01 Jan 2020 00:00:00 -0000", 0, 10),
        ("Retry-After: Mon, 01 Jan 2020 00:00:00 +99999999999999999999", 0, 10),
    ],
)
def test_retry_after_is_followed_within_limits(header: str, at_least: float, at_most: float) -> None:
    waits: list[float] = []
    with misbehaving(answer("429 Stop", header), GOOD) as server:
        get(source_of(server.url, tries=2), waits)
    assert len(waits) == 1
    assert at_least <= waits[0] <= at_most


DRIPPING: dict[str, Behaviour] = {
    "silence": silence,
    "status line": drip(b"HTTP/1.1 200 O", b"K"),
    "one header": drip(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "many headers": drip(b"HTTP/1.1 200 OK\r\n", b"X: x\r\n"),
    "continue": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": drip(head("200 OK", "Content-Length: 100000"), b" "),
    "body without length": drip(head("200 OK"), b" "),
    "chunks": drip(head("200 OK", "Transfer-Encoding: chunked"), b"1\r\n \r\n"),
    "chunk size": drip(head("200 OK", "Transfer-Encoding: chunked"), b"0"),
    "trailers": drip(head("200 OK", "Transfer-Encoding: chunked") + b"0\r\n", b"X: x\r\n"),
    "gzip of nothing": pour(head("200 OK", "Content-Encoding: deflate"), b"\x00\x00\x00\xff\xff"),
    "redirect body": drip(head("302 Found", "Location: /feed.json", "Content-Length: 100000"), b" "),
    "status 500": drip(head("500 Oops", "Content-Length: 100000"), b" "),
}


@pytest.mark.parametrize("name", DRIPPING)
def test_attempt_ends_at_its_deadline_despite_slow_data(name: str) -> None:
    began = time.monotonic()
    error = failure(DRIPPING[name], timeout=0.5)
    took = time.monotonic() - began
    assert took < 2
    assert isinstance(error, LastingFetchError if name == "redirect body" else PassingFetchError)
    if name != "redirect body":
        assert "timed out" in str(error)


def test_each_attempt_has_its_own_deadline() -> None:
    with misbehaving(silence, drip(b"HTTP/1.1 200 OK\r\nX: ", b"x"), GOOD) as server:
        got = get(source_of(server.url, tries=3, timeout=0.3))
    assert (got.tries, got.body) == (3, b"[1]")
    assert got.duration_seconds >= 0.6


CUT: dict[str, Behaviour] = {
    "body": send(head("200 OK", "Content-Length: 100") + b"[1]"),
    "empty body": send(head("200 OK", "Content-Length: 100")),
    "chunk": send(head("200 OK", "Transfer-Encoding: chunked") + b"9\r\n[1"),
    "last chunk": send(head("200 OK", "Transfer-Encoding: chunked") + b"3\r\n[1]\r\n"),
    "gzip": send(head("200 OK", "Content-Encoding: gzip", "Content-Length: 900") + gzip.compress(b"[1]")[:-4]),
    "nothing": send(b""),
    "status line": send(b"HTTP/1.1 2"),
    "no HTTP": send(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "bad chunk": send(head("200 OK", "Transfer-Encoding: chunked") + b"zz\r\n[1]\r\n0\r\n\r\n"),
    "bad gzip": answer("200 OK", "Content-Encoding: gzip", body=b"this is no gzip at all"),
    "many encodings": answer("200 OK", "Content-Encoding: " + ", ".join(["gzip"] * 50), body=b"x"),
    "endless status": send(b"HTTP/1.1 " + b"2" * 100_000),
}


@pytest.mark.parametrize("name", CUT)
def test_truncated_or_garbled_answer_is_a_transient_error(name: str) -> None:
    error = failure(CUT[name])
    assert isinstance(error, PassingFetchError)
    assert error.answer.body == b""


@pytest.mark.parametrize("length", ["\xb2", "9" * 5000, "-1", "x"])
def test_invalid_length_does_not_crash(length: str) -> None:
    body = send(head("200 OK", f"Content-Length: {length}") + b"[1]")
    try:
        assert get_from(body).body == b"[1]"
    except PassingFetchError as error:
        assert "no complete answer" in str(error)


def test_no_server_listening() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(PassingFetchError, match="connection refused") as caught:
        get(source_of(f"http://127.0.0.1:{port}/x", tries=2))
    assert (caught.value.answer.http_status, caught.value.answer.tries) == (None, 2)


@pytest.mark.parametrize("header", ["Date: {}", "date: {}"])
def test_date_header_is_used_only_if_it_is_trusted(header: str) -> None:
    dated = answer("200 OK", header.format(format_datetime(THEN, usegmt=True)), body=b"[1]")
    with misbehaving(dated) as server:
        assert get(source_of(server.url)).received_at == NOW
        assert get(source_of(server.url), trust_date=True).received_at == THEN


@pytest.mark.parametrize(
    "date", ["soon", "", "Fri, 31 Dec 9999 23:59:59 -1200", "Mon, 01 Jan 2020 00:00:00 +9999999999999999999"]
)
def test_invalid_date_does_not_crash(date: str) -> None:
    with misbehaving(answer("200 OK", f"Date: {date}", body=b"[1]")) as server:
        assert get(source_of(server.url), trust_date=True).received_at == NOW


def test_html_with_status_200_fails_the_poll_and_is_kept(feed: Feed) -> None:
    with (
        misbehaving(answer("200 OK", "Content-Type: text/html", body=b"<html>Sorry</html>")) as server,
        new_session() as session,
    ):
        here = feed.model_copy(update={"source": source_of(server.url)})
        poll = FeedPoller(here, session, lambda: NOW).poll(requested(feed.name, "x"))
    assert isinstance(poll.error, PermanentError)
    assert (poll.log["body"], poll.log["http_status"], poll.log["status"]) == (b"<html>Sorry</html>", 200, "failed")


def test_safe_url_contains_no_secret() -> None:
    assert safe_url("https://me:secret@example.com:8443/a?key=secret#secret") == "https://example.com:8443/a"
