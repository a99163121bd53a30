"""Processes and ports as the kernel has them: who descends from whom, what dies with us, what is free. No servers."""

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

# below the ports that the kernel gives to outgoing connections (32768 and up), which else might take the port of a
# server that is stopped for a while
_PORTS = range(20_000, 32_000)


def as_account(account: str | None, command: list[str]) -> list[str]:
    """A command that dies with this process, run by another account where one is named."""
    change = [] if account is None else [f"--reuid={account}", f"--regid={account}", "--init-groups"]
    program = shutil.which("setpriv")
    if program is None:
        raise Missing("setpriv is missing: apt-get install util-linux")
    return [program, "--pdeathsig", "KILL", *change, "--", *command]


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port was found on 127.0.0.1")


def descendants(pid: int) -> list[int]:
    """All processes below one. By parent, since those of Postgres leave its process group."""
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [found for child in children for found in (child, *descendants(child))]


def signal_all(pids: list[int], signal_: signal.Signals) -> None:
    """Send a signal to those that are still there."""
    for pid in pids:
        try:
            os.kill(pid, signal_)
        except ProcessLookupError:
            continue


def freeze_all(pids: list[int]) -> None:
    """Stop them, and wait until not one of their threads runs: the signal returns before that."""
    signal_all(pids, signal.SIGSTOP)
    _wait_until(lambda: all(state in "TZX" for pid in pids for state in _states(pid)))


def end_all(pids: list[int]) -> None:
    """Make sure that none of a server's processes is left, once its first one is gone."""
    signal_all(pids, signal.SIGKILL)
    _wait_until(lambda: not any(is_alive(pid) for pid in pids))


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie does not, and who takes in orphans may be slow to bury them."""
    return any(state not in "ZX" for state in _states(pid))


def _states(pid: int) -> list[str]:
    """The state of each of its threads, one letter each; none when it is gone."""
    states = []
    for thread in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            # the field after the name, which is in brackets and may hold anything
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
