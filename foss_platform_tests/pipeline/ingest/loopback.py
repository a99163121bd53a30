"""A server on loopback that misbehaves as told: for tests of what a feed may do to its reader."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import requests

from foss_platform.ingest.page.feed import Source

#: What to do with one connection, after its request has been read: the socket, the path, and whether to stop.
Behaviour = Callable[[socket.socket, str, threading.Event], None]


class Misbehaving:
    """Counts what it is asked; the n-th request gets the n-th behaviour, the last one for ever after."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.paths: list[str] = []
        self.stop = threading.Event()
        self._behaviours = behaviours
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/feed.json"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self.stop.set()
        # a listener that is only closed goes on accepting in its thread
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=5)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while not self.stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with closing(connection):
            connection.settimeout(5)
            try:
                request = b""
                while b"\r\n\r\n" not in request:
                    part = connection.recv(65_536)
                    if not part:
                        return
                    request += part
                path = request.split(b" ")[1].decode()
                behaviour = self._behaviours[min(len(self.paths), len(self._behaviours) - 1)]
                self.paths.append(path)
                behaviour(connection, path, self.stop)
            except OSError:
                return  # the reader went away, as it may


@contextmanager
def misbehaving(*behaviours: Behaviour) -> Iterator[Misbehaving]:
    server = Misbehaving(*behaviours)
    try:
        yield server
    finally:
        server.close()


def head(status: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *headers, "", ""]).encode("latin-1")


def answer(status: str, *headers: str, body: bytes = b"") -> Behaviour:
    """Send a whole answer; it has a Content-Length unless `headers` say one or are chunked."""
    names = {header.split(":")[0].lower() for header in headers}
    if not names & {"content-length", "transfer-encoding"}:
        headers = (*headers, f"Content-Length: {len(body)}")
    return send(head(status, *headers) + body)


def send(data: bytes) -> Behaviour:
    """Send exactly this and hang up."""

    def behave(connection: socket.socket, _path: str, _stop: threading.Event) -> None:
        connection.sendall(data)

    return behave


def drip(first: bytes, drop: bytes, seconds: float = 0.05) -> Behaviour:
    """Send `first`, then `drop` again and again until the reader goes away."""

    def behave(connection: socket.socket, _path: str, stop: threading.Event) -> None:
        connection.sendall(first)
        while not stop.wait(seconds):
            connection.sendall(drop)

    return behave


def pour(first: bytes, wave: bytes) -> Behaviour:
    """Send `first`, then `wave` without end and as fast as the reader takes it."""
    return drip(first, wave, 0)


def silence(_connection: socket.socket, _path: str, stop: threading.Event) -> None:
    """Say nothing until the test is over."""
    stop.wait(30)


def source_of(url: str, *, timeout: float = 5, tries: int = 1, max_bytes: int = 1_000_000) -> Source:
    return Source(url=url, timeout_seconds=timeout, tries=tries, max_bytes=max_bytes)


def new_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # no proxy of the developer's
    return session
