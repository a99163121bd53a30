"""The watchdog cuts off what is late, in time and nothing else, with one thread that does not outlive its use."""

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
    """A connection on which the other side never says anything."""
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
        # what a closed connection gives; without the watchdog the time-out raises
        assert connection.recv(1) == b""
    return time.monotonic() - began


def test_each_is_cut_off_after_its_own_time() -> None:
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


def test_what_ended_in_time_is_spared() -> None:
    watchdog = Watchdog(_SECONDS)
    with waiting() as late, waiting() as spared:
        for _ in range(1000):
            with watchdog.watching(spared.fileno()):
                (thread,) = threads()
        cut_off_after(watchdog, late)
        spared.setblocking(False)
        with pytest.raises(BlockingIOError):
            spared.recv(1)
    thread.join(_SLACK)
    assert threads() == []
    # and it begins anew
    with waiting() as later:
        assert cut_off_after(watchdog, later) >= _SECONDS


def test_one_that_is_closed_already_harms_nobody_else() -> None:
    watchdog = Watchdog(_SECONDS)
    with waiting() as closed, waiting() as late, watchdog.watching(closed.fileno()):
        closed.close()
        assert cut_off_after(watchdog, late) >= _SECONDS


def cut_off_in_child() -> None:
    with waiting() as connection:
        os._exit(0 if cut_off_after(watchdog_of(os.getpid(), _SECONDS), connection) >= _SECONDS else 1)


def test_a_forked_process_has_its_own() -> None:
    watchdog = watchdog_of(os.getpid(), _SECONDS)
    assert watchdog is watchdog_of(os.getpid(), _SECONDS)
    child = multiprocessing.get_context("fork").Process(target=cut_off_in_child)
    # the worst moment: the lock is held, by a thread that the child does not have
    with waiting() as connection, watchdog.watching(connection.fileno()), watchdog._lock:
        child.start()
    child.join(_SLACK)
    assert child.exitcode == 0
