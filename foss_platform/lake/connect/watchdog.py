"""A watchdog that closes connections after a time limit, with one thread for all of them."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache


class Watchdog:
    """Shuts down a connection if an operation on it takes longer than the limit.

    Its thread runs while there is something to watch, and ends when it wakes and finds nothing. All operations have
    the same limit, so they expire in the order of arrival. An operation that arrives while the thread sleeps expires
    after the thread wakes. So nobody has to wake the thread, and a statement costs a lock but no thread of its own.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._watched: dict[object, tuple[float, int]] = {}
        self._is_awake = False

    @contextmanager
    def watching(self, descriptor: int) -> Iterator[None]:
        """Shut the connection down if this takes too long. The waiting code then sees a closed connection."""
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
        """End late operations. Return the seconds until the next one expires, or None if nothing is watched."""
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
    """Return the only watchdog of a process, by process id. A forked process has its parent's locks but not its
    threads.
    """
    return Watchdog(seconds)


def _shut_down(descriptor: int) -> None:
    # The connection may already be closed.
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.shutdown(socket.SHUT_RDWR)
