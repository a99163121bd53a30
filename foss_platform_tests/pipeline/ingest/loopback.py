"""A loopback server with configurable misbehavior, for tests of the feed client."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import requests

from foss_platform.ingest.page.feed import Source

#: Handles one connection after its request was read. Arguments: the socket, the path and the stop event.
Behaviour = Callable[[socket.socket, str, threading.Event], None]


class Misbehaving:
    """Counts requests. The n-th request gets the n-th behavior, and all later requests the last one."""

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
        # closing the listener alone does not end the accept call in its thread
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
                return  # the client may disconnect


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
    """Send a complete answer. Adds a Content-Length unless `headers` contain one or are chunked."""
    names = {header.split(":")[0].lower() for header in headers}
    if not names & {"content-length", "transfer-encoding"}:
        headers = (*headers, f"Content-Length: {len(body)}")
    return send(head(status, *headers) + body)


def send(data: bytes) -> Behaviour:
    """Send exactly these bytes and close the connection."""

    def behave(connection: socket.socket, _path: str, _stop: threading.Event) -> None:
        connection.sendall(data)

    return behave


def drip(first: bytes, drop: bytes, seconds: float = 0.05) -> Behaviour:
    """Send `first`, then `drop` repeatedly until the client disconnects."""

    def behave(connection: socket.socket, _path: str, stop: threading.Event) -> None:
        connection.sendall(first)
        while not stop.wait(seconds):
            connection.sendall(drop)

    return behave


def pour(first: bytes, wave: bytes) -> Behaviour:
    """Send `first`, then `wave` repeatedly as fast as the client reads."""
    return drip(first, wave, 0)


def silence(_connection: socket.socket, _path: str, stop: threading.Event) -> None:
    """Send nothing until the test is over."""
    stop.wait(30)


def source_of(url: str, *, timeout: float = 5, tries: int = 1, max_bytes: int = 1_000_000) -> Source:
    return Source(url=url, timeout_seconds=timeout, tries=tries, max_bytes=max_bytes)


def new_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # ignore the developer's proxy
    return session
