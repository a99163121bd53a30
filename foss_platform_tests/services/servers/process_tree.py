"""Processes and ports as the kernel reports them: descendants of a process, death with the parent, free ports."""

import os
import random
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import tenacity

from foss_platform_tests.services.servers.programs import Missing

_END_SECONDS = 30.0

# below the kernel's ports for outgoing connections (32768 and up), which could otherwise take the port of a server that
# is stopped for a while
_PORTS = range(20_000, 32_000)


def as_account(account: str | None, command: list[str]) -> list[str]:
    """Return a command that dies with this process, and runs under another account if one is given."""
    change = [] if account is None else [f"--reuid={account}", f"--regid={account}", "--init-groups"]
    program = shutil.which("setpriv")
    if program is None:
        raise Missing("setpriv is missing. Run apt-get install util-linux")
    return [program, "--pdeathsig", "KILL", *change, "--", *command]


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens."""
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port was found on 127.0.0.1")


def descendants(pid: int) -> list[int]:
    """Return all descendants of a process, by parent, because Postgres' children leave its process group."""
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [found for child in children for found in (child, *descendants(child))]


def signal_all(pids: list[int], signal_: signal.Signals) -> None:
    """Send a signal to all given processes that still exist."""
    for pid in pids:
        try:
            os.kill(pid, signal_)
        except ProcessLookupError:
            continue


def freeze_all(pids: list[int]) -> None:
    """Stop processes, and wait until none of their threads runs, because the signal returns earlier."""
    signal_all(pids, signal.SIGSTOP)
    _wait_until(lambda: all(state in "TZX" for pid in pids for state in _states(pid)))


def end_all(pids: list[int]) -> None:
    """End all remaining processes of a server whose first process has ended."""
    signal_all(pids, signal.SIGKILL)
    _wait_until(lambda: not any(is_alive(pid) for pid in pids))


def is_alive(pid: int) -> bool:
    """Return whether a process runs. A zombie does not, and its adoptive parent may be slow to reap it."""
    return any(state not in "ZX" for state in _states(pid))


def _states(pid: int) -> list[str]:
    """Return the state letter of each thread, or nothing if the process is gone."""
    states = []
    for thread in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            # the field after the name, which is in brackets and may contain anything
            states.append(thread.read_text().rpartition(")")[2].split()[0])
        except OSError:
            continue
    return states


def _wait_until(is_so: Callable[[], bool]) -> None:
    tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda so: not so),
        stop=tenacity.stop_after_delay(_END_SECONDS),
        wait=tenacity.wait_fixed(0.01),
    )(is_so)
