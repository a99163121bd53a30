"""Runs a function in a separate process that can be killed.

A trial is forked from a server that has imported all modules of the trials and done nothing else. It therefore
starts
in some tens of milliseconds instead of seconds, and is as clean as a new process.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from typing import Any

_PRELOADED = [
    "requests",
    "tenacity",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "pyiceberg.catalog.sql",
    "pyiceberg.io.pyarrow",
    "foss_platform_tests.faults.injection.kill_points",
    "foss_platform_tests.faults.injection.polling",
    "dbt.cli.main",
    "dbt.adapters.duckdb.impl",
    "foss_platform_tests.faults.injection.building",
]
_TIME_OUT = 1800


@dataclass(frozen=True)
class Trial:
    """Result of a trial.

    Attributes
    ----------
    killed
        Whether SIGKILL ended it.
    result
        Return value of the function, or None if the trial was killed.
    seconds
        Time from its start to its end, without the fork.
    """

    killed: bool
    result: Any
    seconds: float


@cache
def server() -> ForkServerContext:
    """Return the context whose processes are forked from the clean server."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def attempt(function: Callable[..., Any], *arguments: Any, kill_after: float | None = None) -> Trial:
    """Call a module's function in a separate process with the current environment, and wait for its end.

    Parameters
    ----------
    kill_after
        Seconds after which the process is killed with SIGKILL, unless it has ended.

    Raises
    ------
    RuntimeError
        If the function raised an exception.
    """
    ours, its = server().Pipe()
    process = server().Process(target=_call, args=(its, dict(os.environ), function, arguments))
    process.start()
    its.close()
    try:
        began = time.monotonic()
        ours.recv()
        if kill_after is not None and not ours.poll(kill_after):
            process.kill()
        assert ours.poll(_TIME_OUT), "a trial did not end"
        try:
            failed, result = ours.recv()
        except EOFError:
            failed, result = False, None
        took = time.monotonic() - began
        process.join(_TIME_OUT)
    finally:
        if process.is_alive():
            process.kill()
            process.join()
        ours.close()
    if failed:
        raise RuntimeError(result)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return Trial(process.exitcode != 0, result, took)


def _call(
    connection: Connection, environment: dict[str, str], function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    # the server has the environment of the first trial
    os.environ.clear()
    os.environ.update(environment)
    connection.send("ready")
    try:
        answer = (False, function(*arguments))
    except Exception as error:
        answer = (True, f"{type(error).__name__}: {error}")
    connection.send(answer)
