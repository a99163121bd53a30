"""The watchdog closes overdue connections only, on time, with one thread that ends after use."""

import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from foss_platform.lake.connect.watchdog import Watchdog, watchdog_of

_SECONDS, _SLACK = 0.3, 5.0


@contextmanager
def waiting() -> Iterator[socket.socket]:
    """Return a connection whose other end never sends anything."""
    ours, silent = socket.socketpair()
    with ours, silent:
        ours.settimeout(_SLACK)
        yield ours


@pytest.fixture(autouse=True)
def _no_threads_of_another_test() -> Iterator[None]:
    yield
    for thread in threads():
        thread.join(_SLACK)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "foss-watchdog"]


def cut_off_after(watchdog: Watchdog, connection: socket.socket) -> float:
    began = time.monotonic()
    with watchdog.watching(connection.fileno()):
        # a closed connection returns no bytes; without the watchdog the time-out raises
        assert connection.recv(1) == b""
    return time.monotonic() - began


def test_each_connection_is_closed_after_its_own_time_limit() -> None:
    watchdog, taken = Watchdog(_SECONDS), list[float]()
    with ExitStack() as connections:
        waiters = []
        for _ in range(3):
            connection = connections.enter_context(waiting())
            waiters.append(threading.Thread(target=lambda c=connection: taken.append(cut_off_after(watchdog, c))))
            waiters[-1].start()
            assert len(threads()) == 1
            time.sleep(_SECONDS / 4)
        for waiter in waiters:
            waiter.join()
    assert len(taken) == 3
    assert all(_SECONDS <= seconds < _SLACK for seconds in taken)


def test_connection_that_ends_in_time_is_not_closed() -> None:
    watchdog = Watchdog(_SECONDS)
    with waiting() as late, waiting() as kept:
        for _ in range(1000):
            with watchdog.watching(kept.fileno()):
                (thread,) = threads()
        cut_off_after(watchdog, late)
        kept.setblocking(False)
        with pytest.raises(BlockingIOError):
            kept.recv(1)
    thread.join(_SLACK)
    assert threads() == []
    # and the thread starts again
    with waiting() as later:
        assert cut_off_after(watchdog, later) >= _SECONDS


def test_already_closed_connection_does_not_affect_others() -> None:
    watchdog = Watchdog(_SECONDS)
    with waiting() as closed, waiting() as late, watchdog.watching(closed.fileno()):
        closed.close()
        assert cut_off_after(watchdog, late) >= _SECONDS


def cut_off_in_child() -> None:
    with waiting() as connection:
        os._exit(0 if cut_off_after(watchdog_of(os.getpid(), _SECONDS), connection) >= _SECONDS else 1)


def test_forked_process_has_its_own_watchdog() -> None:
    watchdog = watchdog_of(os.getpid(), _SECONDS)
    assert watchdog is watchdog_of(os.getpid(), _SECONDS)
    child = multiprocessing.get_context("fork").Process(target=cut_off_in_child)
    # worst case: the lock is held by a thread that does not exist in the child
    with waiting() as connection, watchdog.watching(connection.fileno()), watchdog._lock:
        child.start()
    child.join(_SLACK)
    assert child.exitcode == 0
