"""The errors that users see. What belongs here: exceptions every room may raise; what does not: how they are shown.

Each carries what went wrong and, where there is one, the remedy. Whether a failure may pass by
itself decides whether Dagster retries the run, so it is a property of the class.
"""


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


class LastingError(FossError):
    """It will fail again until somebody changes something: never retried."""


class PassingError(FossError):
    """It may be gone in a minute (time-out, 429, 5xx, store or catalog away): retried within bounds."""


class ConfigurationError(LastingError):
    """A setting, page or file of the user's is missing or wrong."""
