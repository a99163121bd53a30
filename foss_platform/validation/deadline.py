"""Doing something for a limited time, whatever it waits for. Not here: what is done.

Services that accept and never answer are met by time-outs of their own clients first; this is for where there is
none, such as a library that tries again and again.
"""

import threading
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


class TooLate(Exception):  # noqa: N818  # it says what happened
    """It had not ended in time; it goes on in a thread that no one waits for."""


def within(seconds: float, act: Callable[[], Value]) -> Value:
    """What `act` returns or raises.

    Raises
    ------
    TooLate
        When it takes longer.
    """
    values: list[Value] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            values.append(act())
        except BaseException as error:
            # raised below, in the thread that asked
            errors.append(error)

    # a daemon: a call that never returns must not keep the process from ending
    thread = threading.Thread(target=run, daemon=True, name="validation")
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if values:
        return values[0]
    raise TooLate
