"""The errors that users see. What belongs here: exceptions every room may raise; what does not: how they are shown.

Each carries what went wrong and, where there is one, the remedy. Whether a failure may pass by
itself decides whether Dagster retries the run, so it is a property of the class.
"""

from collections.abc import Iterator


class FossError(Exception):
    """Something a user must know of, in one or two plain sentences.

    Parameters
    ----------
    problem
        What is wrong, naming the thing.
    remedy
        What the user can do about it; empty where nothing can be said.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem} {self.remedy}".strip()


def own_error(error: BaseException) -> FossError | None:
    """The error of ours that a framework wrapped in its own; None if there is none."""
    return next((found for found in causes(error) if isinstance(found, FossError)), None)


def was_interrupted(error: BaseException | None) -> bool:
    """Whether an error is a Ctrl-C that a framework wrapped in its own."""
    return error is not None and any(isinstance(found, KeyboardInterrupt) for found in causes(error))


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all that led to it, the nearest first."""
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        found = waiting.pop(0)
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        if isinstance(found, BaseExceptionGroup):
            waiting += found.exceptions
        led_to = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
        waiting += [led_to] if led_to is not None else []


class LastingError(FossError):
    """It will fail again until somebody changes something: never retried."""


class PassingError(FossError):
    """It may be gone in a minute (time-out, 429, 5xx, store or catalog away): retried within bounds."""


class ConfigurationError(LastingError):
    """A setting, page or file of the user's is missing or wrong."""
