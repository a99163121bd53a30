"""Fetches a feed with one HTTP GET, with limits on time and size, and retries after transient errors.

An error is never reported as an empty list. Redirects to another host are not followed, because that host is probably
not the feed.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Thread
from typing import TYPE_CHECKING

from foss_platform.errors import FossError, PermanentError, TransientError
from foss_platform.ingest.http.addresses import RefusedPlaceError, redirect_target, refuse_private_address, safe_url
from foss_platform.ingest.http.clock import Clock
from foss_platform.ingest.page.feed import Source
from foss_platform.proxies import REMEDY, is_malformed, proxy_of

if TYPE_CHECKING:
    import requests

_MAX_REDIRECTS = 3
_MAX_RETRY_AFTER_SECONDS = 60.0
_CHUNK_BYTES = 65_536
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Answer:
    """The response of a feed.

    Attributes
    ----------
    received_at
        The clock's time when the response had arrived (UTC).
    duration_seconds
        Time from the first try to the last byte.
    """

    body: bytes
    http_status: int | None
    received_at: datetime
    duration_seconds: float
    tries: int


class FetchError(FossError):
    """The feed sent no usable response. `answer` contains the part that has arrived, for the poll log."""

    def __init__(self, problem: str, remedy: str, *, answer: Answer, retry_after: float = 0.0) -> None:
        super().__init__(problem, remedy)
        self.answer = answer
        self.retry_after = retry_after


class PassingFetchError(FetchError, TransientError):
    """A transient error of a fetch."""


class LastingFetchError(FetchError, PermanentError):
    """A permanent error of a fetch: a retry would fail in the same way."""


def fetch(
    source: Source,
    session: "requests.Session",
    clock: Clock,
    *,
    trust_date: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Answer:
    """GET the source's URL.

    Parameters
    ----------
    trust_date
        Use the HTTP `Date` header as the poll time. Only for recorded feeds.

    Raises
    ------
    PassingFetchError
        After `source.tries` tries with transient errors: time-outs, connection errors, 408, 425, 429, 5xx.
    LastingFetchError
        After a permanent error, without a retry: another status, a redirect to another host, or a body over the limit.
    """
    import tenacity

    started = time.monotonic()
    tries = 0

    def once() -> Answer:
        nonlocal tries
        tries += 1
        return _get(source, session, clock, trust_date=trust_date, started=started, tries=tries)

    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, PassingFetchError) else 0.0
        return max(asked, tenacity.wait_random_exponential(multiplier=0.5, max=10)(state))

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(PassingFetchError),
        stop=tenacity.stop_after_attempt(source.tries),
        wait=wait,
        sleep=sleep,
        reraise=True,
    )(once)


def _get(
    source: Source, session: "requests.Session", clock: Clock, *, trust_date: bool, started: float, tries: int
) -> Answer:
    import requests
    import urllib3

    url = source.effective_url()
    proxy = proxy_of(url) if session.trust_env else None
    by_way, remedy = (f" through the proxy {proxy}", REMEDY) if proxy else ("", "")
    deadline = time.monotonic() + source.timeout_seconds
    status: int | None = None
    headers: Mapping[str, str] = {}
    body = b""

    def answer() -> Answer:
        moment = _date_header(headers) if trust_date else None
        duration = round(time.monotonic() - started, 6)
        return Answer(body, status, moment or clock(), duration, tries)

    def exchange() -> bytes:
        nonlocal status, headers
        if source.private_addresses == "forbidden":
            refuse_private_address(url)
        with _open(url, session, deadline) as response:
            status, headers = response.status_code, response.headers
            return _read(response, source.max_bytes, deadline)

    try:
        body = _within(source.timeout_seconds, exchange)
    except _TooLongError:
        problem = f"{safe_url(url)} sent more than {source.max_bytes:,} bytes."
        raise LastingFetchError(
            problem, "Raise source.max_bytes on the feed's page if this size is correct.", answer=answer()
        ) from None
    except RefusedPlaceError as error:
        problem = f"{safe_url(url)} {error}."
        raise LastingFetchError(problem, "Check the URL on the feed's page.", answer=answer()) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        if proxy is not None and is_malformed(proxy):
            problem = f"{safe_url(url)} cannot be reached: the proxy {proxy} is not a URL."
            raise LastingFetchError(problem, REMEDY, answer=answer()) from None
        tried = f"({_cause(error)}) in {tries} of {source.tries} tries"
        problem = f"{safe_url(url)} gave no complete answer{by_way} {tried}."
        raise PassingFetchError(problem, remedy or "The next poll may succeed.", answer=answer()) from None
    if status == 200:
        return answer()
    problem = f"{safe_url(url)} answered HTTP {status}{by_way}."
    if status is None or status in _TRANSIENT_STATUS or status >= 500:
        retry_after = _retry_after(headers, clock)
        remedy = remedy or "The next poll may succeed."
        raise PassingFetchError(problem, remedy, answer=answer(), retry_after=retry_after)
    raise LastingFetchError(problem, f"Check the URL on the feed's page. {remedy}".strip(), answer=answer())


def _within(seconds: float, work: Callable[[], bytes]) -> bytes:
    """Run `work` in a separate thread, and wait for its result for at most `seconds`.

    A socket's time-out does not limit the duration of a try, because it starts again with every byte of a slow header
    and with every address of a host. Name resolution has no time-out at all. After a time-out, the thread ends when its
    connection is closed.
    """
    outcome: Future[bytes] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    Thread(target=run, name="foss-fetch", daemon=True).start()
    return outcome.result(timeout=seconds)


class _TooLongError(Exception):
    """The body is over the limit."""


def _open(url: str, session: "requests.Session", deadline: float) -> "requests.Response":
    for _ in range(_MAX_REDIRECTS + 1):
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("timed out")
        response = _send(url, session, remaining)
        if not response.is_redirect:
            return response
        response.close()
        url = redirect_target(url, response.headers["location"])
    raise RefusedPlaceError(f"redirects to itself more than {_MAX_REDIRECTS} times, which is not followed")


def _send(url: str, session: "requests.Session", timeout: float) -> "requests.Response":
    """GET without reading the body. `session.get` would read the whole body of a redirect."""
    import requests

    prepared = session.prepare_request(requests.Request("GET", url))
    options = session.merge_environment_settings(url, {}, True, None, None)
    return session.get_adapter(url).send(prepared, timeout=timeout, **options)  # type: ignore[arg-type]  # no option is None


def _read(response: "requests.Response", max_bytes: int, deadline: float) -> bytes:
    """Read the body as it arrives, so that reading stops as soon as the body exceeds a limit of time or size."""
    chunks: list[bytes] = []
    size = 0
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
        size += len(chunk)
        if size > max_bytes:
            raise _TooLongError
        if time.monotonic() > deadline:
            raise TimeoutError("timed out")
        chunks.append(chunk)
    return b"".join(chunks)


def _date_header(headers: Mapping[str, str]) -> datetime | None:
    try:
        return parsedate_to_datetime(headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        return None


def _retry_after(headers: Mapping[str, str], clock: Clock) -> float:
    """Return the seconds that the server asks to wait (RFC 9110, 10.2.3), with an upper limit."""
    value = headers.get("Retry-After", "")
    try:
        seconds = float(value) if value.isdigit() else (parsedate_to_datetime(value) - clock()).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(0.0, seconds), _MAX_RETRY_AFTER_SECONDS)


def _cause(error: BaseException) -> str:
    text = f"{type(error).__name__} {error}".lower()
    for sign, word in (
        ("tunnel connection failed: 407", "the proxy requires a user and a password"),
        ("tunnel connection failed", "the proxy refused"),
        ("timed out", "timed out"),
        ("timeout", "timed out"),
        ("refused", "connection refused"),
        ("name or service", "unknown host"),
        ("resolution", "unknown host"),
        ("ssl", "TLS failed"),
        ("ended early", "the body ended early"),
        ("incomplete", "the body ended early"),
        ("decode", "the body could not be decompressed"),
    ):
        if sign in text:
            return word
    return "connection failed"
