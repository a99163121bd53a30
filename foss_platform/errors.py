"""The errors that users see. Each error has a problem and, if known, a remedy.

The class of an error decides whether Dagster retries the run: only failures that may pass by themselves are retried.
"""

from collections.abc import Iterator


class FossError(Exception):
    """An error message for the user, in one or two plain sentences.

    Parameters
    ----------
    problem
        What is wrong, with the name of the affected object.
    remedy
        What the user can do about it. Empty if there is no advice.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem} {self.remedy}".strip()


def own_error(error: BaseException) -> FossError | None:
    """Return the project's own error that a framework wrapped in another. None if there is none."""
    return next((found for found in causes(error) if isinstance(found, FossError)), None)


def was_interrupted(error: BaseException | None) -> bool:
    """Return whether the error is a Ctrl-C that a framework wrapped in its own exception."""
    return error is not None and any(isinstance(found, KeyboardInterrupt) for found in causes(error))


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and all its causes, the nearest first."""
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


class PermanentError(FossError):
    """A permanent error, never retried: it repeats until somebody changes something."""


class TransientError(FossError):
    """A transient error, retried a limited number of times: a time-out, 429, 5xx, an unreachable store or catalog."""


class ConfigurationError(PermanentError):
    """A missing or invalid setting, page or other file of the user."""
