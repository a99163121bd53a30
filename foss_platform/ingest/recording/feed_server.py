"""Serves a recording over real HTTP on loopback, in place of the feed. See `recording` for reading recordings.

Like the real feed, the server changes `Last-Modified` and `ETag` with each response, even while the data is frozen.
Only the times in the data itself show that the data is stale.
"""

import logging
import math
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from foss_platform.errors import ConfigurationError
from foss_platform.ingest.recording.recording import RecordedPoll

FEED_PATH: Final = "/parking.json"
_HOST: Final = "127.0.0.1"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Answer:
    status: int
    at: datetime
    body: bytes
    media_type: str = "application/json"


class FeedServer:
    """Serves recorded polls at `url` from its creation until `close`, or as a context manager.

    Parameters
    ----------
    polls
        The polls to serve. At least one is required. They are kept in memory.
    pace
        `"step"`: each GET returns the next poll in the given order, with its `polled_at` as HTTP `Date`, then 410.
        A number: how many simulated seconds pass per second of `clock`. Each GET returns the latest poll at the
        simulated time, with that time as `Date`. Before the first poll it returns 503. After the last poll it repeats
        the last one.
    start
        The start of the simulated time, with a zone. With `"step"`, earlier polls are not served. By default the time
        of the first poll.
    port
        The port of the server. 0 chooses a free port.
    clock
        Returns seconds that never decrease.

    Raises
    ------
    ConfigurationError
        If there is no poll to serve, the pace or start is invalid, or the port is in use.
    """

    def __init__(
        self,
        polls: Iterable[RecordedPoll],
        *,
        pace: Literal["step"] | float,
        start: datetime | None = None,
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if pace != "step" if isinstance(pace, str) else not 0 < pace < math.inf:
            raise ConfigurationError(
                f"The pace {pace!r} is invalid.", 'Use "step" or a number above 0. 1 is real time.'
            )
        if start is not None and start.tzinfo is None:
            raise ConfigurationError(f"The start {start.isoformat()} has no zone.", "Add a zone, e.g. a Z at the end.")
        # the clock of the recorder may have been set back, but the search by time needs sorted polls
        held = list(polls) if isinstance(pace, str) else sorted(polls, key=lambda poll: poll.polled_at)
        if isinstance(pace, str) and start is not None:
            held = [poll for poll in held if poll.polled_at >= start]
        if not held:
            raise ConfigurationError("There is no poll to serve.", "Choose another recording or an earlier start.")
        self._polls = held
        self._times = [poll.polled_at for poll in held]
        self._speed = None if isinstance(pace, str) else pace
        self._start = (start or held[0].polled_at).astimezone(UTC)
        self._clock = clock
        self._lock = Lock()
        self._served = 0
        self._answers = 0
        try:
            self._server = _Server(self, port)
        except (OSError, OverflowError) as error:
            problem = f"Port {port} of {_HOST} cannot be opened ({error})."
            raise ConfigurationError(
                problem, "Stop the program that uses it, or choose another port (0 chooses a free port)."
            ) from None
        self._began = clock()
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="feed-server", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The feed's URL."""
        return f"http://{_HOST}:{self._server.server_port}{FEED_PATH}"

    @property
    def served(self) -> int:
        """The number of GETs that returned a recorded poll, whatever the poll's HTTP status.

        HEAD requests are not counted, and neither are responses of the server itself, such as 404 and 410.
        """
        with self._lock:
            return self._served

    def close(self) -> None:
        """Stop serving, free the port and wait for all threads. A second call does nothing."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, *, take: bool) -> tuple[_Answer, int]:
        """Return the response and its number. `take` is false for HEAD, which does not consume a poll."""
        with self._lock:
            self._answers += 1
            answer, is_poll = self._step() if self._speed is None else self._at(self._simulated(self._speed))
            self._served += is_poll and take
            return answer, self._answers

    def _step(self) -> tuple[_Answer, bool]:
        if self._served == len(self._polls):
            return _Answer(HTTPStatus.GONE, self._times[-1], b"The recording is over.\n", "text/plain"), False
        poll = self._polls[self._served]
        return _Answer(poll.http_status, poll.polled_at, poll.body), True

    def _at(self, now: datetime) -> tuple[_Answer, bool]:
        count = bisect_right(self._times, now)
        if not count:
            return _Answer(HTTPStatus.SERVICE_UNAVAILABLE, now, b"The recording has not begun.\n", "text/plain"), False
        poll = self._polls[count - 1]
        return _Answer(poll.http_status, now, poll.body), True

    def _simulated(self, speed: float) -> datetime:
        try:
            return self._start + timedelta(seconds=speed * (self._clock() - self._began))
        except OverflowError:
            return datetime.max.replace(tzinfo=UTC)


class _Server(ThreadingHTTPServer):
    # server_close must wait for the threads, and it does not wait for daemon threads
    daemon_threads = False

    def __init__(self, feed: FeedServer, port: int) -> None:
        self.feed = feed
        super().__init__((_HOST, port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        _LOG.debug("A request of %s failed", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # without a time-out, a client that connects and sends nothing would block close() forever
    timeout = 2.0
    wbufsize = -1
    server: _Server

    def do_GET(self) -> None:
        self._reply(take=True)

    def do_HEAD(self) -> None:
        self._reply(take=False)

    def log_message(self, *args: Any, **kwargs: Any) -> None:
        """Log nothing. The base class writes each request to stderr."""

    def _reply(self, *, take: bool) -> None:
        if urlsplit(self.path).path != FEED_PATH:
            answer, number = _Answer(HTTPStatus.NOT_FOUND, datetime.now(UTC), b"Not here.\n", "text/plain"), 0
        else:
            answer, number = self.server.feed._answer(take=take)
        date = format_datetime(answer.at.astimezone(UTC), usegmt=True)
        # send_response would add the current time as Date
        self.send_response_only(answer.status)
        self.send_header("Date", date)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Connection", "close")
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.send_header("Retry-After", "0")
        if number:
            self.send_header("Last-Modified", date)
            self.send_header("ETag", f'"{number}"')
        self.end_headers()
        if take:
            self.wfile.write(answer.body)
