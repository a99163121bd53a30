"""Faults of a feed, and the expected result of each. See `pipeline.ingest.loopback` for the server."""

import socket
import threading
from dataclasses import dataclass, field, replace

from foss_platform_tests.pipeline.ingest.loopback import Behaviour, answer, head, send
from foss_platform_tests.pipeline.ingest.writers import record

GIGABYTE = 1_000_000_000
#: The limits of the feed page while the feed misbehaves.
MAX_BYTES = 1_000_000
TIMEOUT = 0.6
#: Time-out of an attempt at a feed that is not slow. Even on a busy machine it does not end the attempt.
PATIENCE = 30.0
TRIES = 2

_GOOD = f"[{record('Forum')},{record('Jernbanen')}]".encode()
_MIXED = f'[{record("Forum")},{{"Sted":1,"Sted":2}},null]'.encode()
_WRONG = b'[{"Dato":1,"Klokkeslett":true,"Sted":[],"Latitude":{},"Longitude":0,"Antall_ledige_plasser":7},"x",3]'
_SHORT = 40
_WAVE = b" " * 65_536


def _gigabyte(connection: socket.socket, _path: str, stop: threading.Event) -> None:
    """Send a body of 1 GB with a matching Content-Length, as fast as the client reads it."""
    connection.sendall(head("200 OK", f"Content-Length: {GIGABYTE}"))
    for _ in range(GIGABYTE // len(_WAVE)):
        if stop.is_set():
            return
        connection.sendall(_WAVE)


def _drip(first: bytes, drop: bytes) -> Behaviour:
    """Send `first`, then `drop` repeatedly, for much longer than an attempt may take, but not forever."""

    def behave(connection: socket.socket, _path: str, stop: threading.Event) -> None:
        connection.sendall(first)
        for _ in range(30):
            if stop.wait(5 * TIMEOUT / 30):
                return
            connection.sendall(drop)

    return behave


@dataclass(frozen=True)
class Fault:
    """Behaviour of a feed in one poll, request by request, and the expected result.

    Attributes
    ----------
    error
        transient, permanent, or None for an accepted poll.
    says
        Text expected in the logged error.
    tries
        Number of GET requests of the poll.
    accepted, rejected
        Indexes of the records expected in bronze and in quarantine.
    body
        Expected body in the log for an unreadable answer.
    """

    requests: tuple[Behaviour, ...]
    error: str | None = None
    says: str = ""
    http_status: int | None = 200
    tries: int = 1
    accepted: tuple[int, ...] = ()
    rejected: tuple[int, ...] = ()
    body: bytes | None = None
    body_bytes: int | None = field(default=None)
    slow: bool = False


def _transient(behaviour: Behaviour, says: str, http_status: int | None) -> Fault:
    return Fault((behaviour,) * TRIES, "transient", says, http_status, TRIES)


def _unreadable(behaviour: Behaviour, body: bytes, says: str) -> Fault:
    return Fault((behaviour,), "permanent", says, body=body)


_OK = answer("200 OK", body=_GOOD)
_BUSY = answer("429 Too Many Requests", "Retry-After: 0")

FAULTS: dict[str, Fault] = {
    "good": Fault((_OK,), accepted=(0, 1)),
    "some records wrong": Fault((answer("200 OK", body=_MIXED),), accepted=(0,), rejected=(1, 2)),
    "slow headers": replace(_transient(_drip(b"HTTP/1.1 200 OK\r\nX: ", b"x"), "timed out", None), slow=True),
    "slow body": replace(
        _transient(_drip(head("200 OK", "Content-Length: 100000"), b" "), "timed out", 200), slow=True
    ),
    "slow, then good": Fault(
        (_drip(head("200 OK", "Content-Length: 9"), b""), _OK), tries=2, accepted=(0, 1), slow=True
    ),
    "cut body": _transient(send(head("200 OK", f"Content-Length: {len(_GOOD)}") + _GOOD[:-9]), "ended early", 200),
    "length too long": _transient(
        send(head("200 OK", f"Content-Length: {len(_GOOD) + 1}") + _GOOD), "ended early", 200
    ),
    "length too short": _unreadable(
        send(head("200 OK", f"Content-Length: {_SHORT}") + _GOOD), _GOOD[:_SHORT], "not JSON"
    ),
    "500": _transient(answer("500 Oops", body=_GOOD), "HTTP 500", 500),
    "429": _transient(_BUSY, "HTTP 429", 429),
    "429, then good": Fault((_BUSY, _OK), tries=2, accepted=(0, 1)),
    "redirect loop": Fault(
        (answer("302 Found", "Location: /feed.json"),) * 4, "permanent", "redirects to itself more than 3", None
    ),
    "HTML": _unreadable(answer("200 OK", "Content-Type: text/html", body=b"<html>Hei"), b"<html>Hei", "not JSON"),
    "empty array": _unreadable(answer("200 OK", body=b"[]"), b"[]", "is empty"),
    "wrong types": Fault(
        (answer("200 OK", body=_WRONG),), "permanent", "All 3 records of the poll break", rejected=(0, 1, 2)
    ),
    "1 GB": Fault((_gigabyte,), "permanent", "more than 1,000,000 bytes"),
}
