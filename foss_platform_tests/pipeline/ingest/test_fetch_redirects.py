"""Redirects are followed within one host only. Secrets of a URL do not appear in errors or logs."""

import socket
import threading

import pytest
import requests

from foss_platform.errors import ConfigurationError
from foss_platform.ingest.http.fetch import LastingFetchError, PassingFetchError, fetch
from foss_platform.ingest.page.feed import Feed, Source
from foss_platform.ingest.poll.batch import requested
from foss_platform.ingest.poll.poll import FeedPoller
from foss_platform_tests.pipeline.ingest.loopback import (
    Behaviour,
    answer,
    head,
    misbehaving,
    new_session,
    silence,
    source_of,
)
from foss_platform_tests.pipeline.ingest.test_fetch import NOW, get

SECRETS = "user:pa55word"


def by_path(answers: dict[str, Behaviour]) -> Behaviour:
    def behave(connection: socket.socket, path: str, stop: threading.Event) -> None:
        answers[path](connection, path, stop)

    return behave


def redirect(location: str, status: str = "302 Found") -> Behaviour:
    return answer(status, f"Location: {location}")


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 Other", "307 Temporary", "308 Permanent"])
def test_a_redirect_within_the_host_is_followed(status: str) -> None:
    answers = {"/feed.json": redirect("/new.json?v=2", status), "/new.json?v=2": answer("200 OK", body=b"[1]")}
    with misbehaving(by_path(answers)) as server:
        got = get(source_of(server.url))
        assert (got.body, got.tries) == (b"[1]", 1)
        assert server.paths == ["/feed.json", "/new.json?v=2"]


def test_an_absolute_redirect_within_the_host_is_followed() -> None:
    answers: dict[str, Behaviour] = {"/new.json": answer("200 OK", body=b"[1]")}
    with misbehaving(by_path(answers)) as server:
        answers["/feed.json"] = redirect(f"http://127.0.0.1:{server.port}/new.json")
        assert get(source_of(server.url)).body == b"[1]"


@pytest.mark.parametrize(
    "location",
    [
        "http://example.com/feed.json",
        "http://localhost:{port}/feed.json",  # the same machine under another name
        "http://127.0.0.1:1/feed.json",
        "http://127.0.0.1/feed.json",
        "//example.com/feed.json",
        "https://127.0.0.1:{port}/feed.json",
        "ftp://127.0.0.1:{port}/feed.json",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:application/json,[1]",
        "http://127.0.0.1:{port}@example.com/",
        "http://[::1",
        "http://example.com:99999/",
        "http://127.0.0.1:x/",
    ],
)
def test_redirect_to_another_host_is_refused_at_once(location: str) -> None:
    with misbehaving(answer("200 OK")) as server:
        there = redirect(location.format(port=server.port))
        with misbehaving(there) as here, pytest.raises(LastingFetchError, match="the redirect was not followed"):
            get(source_of(here.url, tries=3))
        assert len(here.paths) == 1
        assert server.paths == []


@pytest.mark.parametrize("location", ["/feed.json", "", "?again=1", "/feed.json#x"])
def test_a_redirect_loop_ends(location: str) -> None:
    with misbehaving(redirect(location)) as server, pytest.raises(LastingFetchError, match="redirects to itself"):
        get(source_of(server.url, tries=3))
    assert len(server.paths) == 4


def test_redirected_request_shares_deadline_and_retries() -> None:
    answers: dict[str, Behaviour] = {"/feed.json": redirect("/slow"), "/slow": silence}
    with misbehaving(by_path(answers)) as server, pytest.raises(PassingFetchError, match="timed out") as caught:
        get(source_of(server.url, timeout=0.3, tries=2))
    assert caught.value.answer.tries == 2
    assert caught.value.answer.duration_seconds < 2


FAILURES: dict[str, Behaviour] = {
    "status": answer("404 Not Found"),
    "busy": answer("503 Busy"),
    "redirect": redirect("http://user:pa55word@example.com/?key=pa55word"),
    "bad redirect": redirect("http://user:pa55word@[::1"),
    "loop": redirect("?key=pa55word"),
    "cut": lambda connection, _path, _stop: connection.sendall(head("200 OK", "Content-Length: 9")),
    "too long": answer("200 OK", body=b" " * 2_000_000),
    "silence": silence,
    "no JSON": answer("200 OK", body=b"<html>"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_secrets_of_the_url_are_not_reported(feed: Feed, name: str) -> None:
    with misbehaving(FAILURES[name]) as server, new_session() as session:
        url = f"http://{SECRETS}@127.0.0.1:{server.port}/feed.json?key=pa55word"
        here = feed.model_copy(update={"source": source_of(url, timeout=0.5)})
        poll = FeedPoller(here, session, lambda: NOW).poll(requested(feed.name, "x"))
    assert poll.error is not None
    told = f"{poll.error} {poll.error!r} {poll.error.__cause__} {poll.log} {poll.source}"
    assert "pa55word" not in told
    assert f"http://127.0.0.1:{server.port}/feed.json" in poll.source


def test_unknown_host_is_reported_without_secrets() -> None:
    class Nowhere(requests.adapters.HTTPAdapter):
        def send(self, *_args: object, **_kwargs: object) -> requests.Response:
            raise requests.ConnectionError("Failed to resolve 'x' ([Errno -2] Name or service not known) pa55word")

    with new_session() as session:
        session.mount("http://", Nowhere())
        with pytest.raises(PassingFetchError, match="unknown host") as caught:
            fetch(source_of(f"http://{SECRETS}@feed.invalid/?key=pa55word"), session, lambda: NOW)
    assert "pa55word" not in str(caught.value)


def test_a_bad_variable_is_a_configuration_error_of_the_poll(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAVANGER_PARKING_URL", f"http://{SECRETS}@example.com:99999/")
    with new_session() as session, pytest.raises(ConfigurationError, match="STAVANGER_PARKING_URL") as caught:
        FeedPoller(feed, session, lambda: NOW).poll(requested(feed.name, "x"))
    assert "pa55word" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.1.2.3", "169.254.169.254", "[::1]", "192.168.0.1"])
def test_private_address_is_refused_if_the_page_forbids_it(host: str) -> None:
    source = Source(url=f"http://{host}:9/feed.json", private_addresses="forbidden", tries=3)
    with new_session() as session, pytest.raises(LastingFetchError, match="private address") as caught:
        fetch(source, session, lambda: NOW)
    assert caught.value.answer.tries == 1
