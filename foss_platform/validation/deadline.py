"""Runs a function with a time limit, whatever the function waits for.

The clients' own time-outs handle services that accept a connection and never answer. This limit is for clients without
a time-out, such as a library that retries forever.
"""

import threading
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


class TooLate(Exception):  # noqa: N818  # the name describes the event
    """The function did not end in time. It continues in a thread, and nothing waits for that thread."""


def within(seconds: float, act: Callable[[], Value]) -> Value:
    """Return what `act` returns, or raise what it raises.

    Raises
    ------
    TooLate
        If `act` takes longer than the limit.
    """
    values: list[Value] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            values.append(act())
        except BaseException as error:
            # raised below, in the calling thread
            errors.append(error)

    # a daemon thread, because a call that never returns must not keep the process running
    thread = threading.Thread(target=run, daemon=True, name="validation")
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if values:
        return values[0]
    raise TooLate
