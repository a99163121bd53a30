"""Ending connections that are waited for too long, by one thread for all of them. Not here: whose they are."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache


class Watchdog:
    """Shuts down a connection on which something takes longer than its time.

    Its thread runs while there is something to watch and ends when it wakes and finds nothing. All have the same
    time, so they are due in the order in which they came, and what comes while it sleeps is due after it wakes:
    nobody has to wake it, and a statement costs a lock and no thread.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._watched: dict[object, tuple[float, int]] = {}
        self._is_awake = False

    @contextmanager
    def watching(self, descriptor: int) -> Iterator[None]:
        """Shut the connection down if this takes too long: whoever waits for it then sees it closed."""
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
        """End what is late; seconds until the next is due, None where nothing is watched."""
        # under the lock: who has been answered meanwhile cannot go on and let another connection have the descriptor
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
    """The one watchdog of a process, by its id: a forked one has its parent's locks and none of its threads."""
    return Watchdog(seconds)


def _shut_down(descriptor: int) -> None:
    # one that is closed already needs no end
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.shutdown(socket.SHUT_RDWR)
