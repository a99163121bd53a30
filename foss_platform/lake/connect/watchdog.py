"""A watchdog that closes connections after a time limit. One thread watches all connections."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache


class Watchdog:
    """Shuts down a connection if an operation on it takes longer than the limit.

    The thread starts with the first operation, and ends when it wakes and no operation is in progress. All operations
    have the same limit, so they expire in the order in which they began. An operation that begins while the thread
    sleeps expires after the thread wakes. So the thread never has to be woken early, and an operation costs only a
    lock.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._watched: dict[object, tuple[float, int]] = {}
        self._is_awake = False

    @contextmanager
    def watching(self, descriptor: int) -> Iterator[None]:
        """Shut the connection down if the context is open for too long. The code that waits for an answer then fails,
        as if the server had closed the connection.
        """
        ticket = object()
        with self._lock:
            if not self._is_awake:
                threading.Thread(target=self._watch, daemon=True, name="foss-watchdog").start()
                self._is_awake = True
            self._watched[ticket] = (time.monotonic() + self._seconds, descriptor)
        try:
            yield
        finally:
            with self._lock:
                self._watched.pop(ticket, None)

    def _watch(self) -> None:
        while (wait := self._cut_off_late()) is not None:
            time.sleep(wait)

    def _cut_off_late(self) -> float | None:
        """Shut down expired connections. Return the seconds until the next one expires, or None if there is none."""
        # Hold the lock: otherwise an operation that has just finished could close its connection, and another
        # connection could get the same descriptor.
        with self._lock:
            now = time.monotonic()
            while self._watched:
                ticket, (due, descriptor) = next(iter(self._watched.items()))
                if due > now:
                    return due - now
                del self._watched[ticket]
                _shut_down(descriptor)
            self._is_awake = False
            return None


@cache
def watchdog_of(process: int, seconds: float) -> Watchdog:
    """Return the watchdog of a process. The process id is a parameter because a forked process needs its own watchdog:
    it inherits locks but no threads.
    """
    return Watchdog(seconds)


def _shut_down(descriptor: int) -> None:
    # The connection may already be closed.
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.shutdown(socket.SHUT_RDWR)
