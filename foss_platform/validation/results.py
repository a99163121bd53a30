"""What a check is, what it finds, and what comes of it. Not here: the checks, or running them."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foss_platform.validation.trial import Trial


class Status(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Service(StrEnum):
    """What a check is about."""

    SETTINGS = "settings"
    PROJECT = "project"
    CATALOG = "catalog"
    STORE = "store"
    LAKE = "lake"
    ENGINE = "engine"
    DAGSTER = "dagster"
    CLOCK = "clock"


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    detail
        What was seen; of a skipped check the reason.
    remedy
        What the user can do; empty where nothing is to be done.
    blocks
        Whether checks that need this one cannot be judged.
    """

    status: Status
    detail: str
    remedy: str = ""
    blocks: bool = False


@dataclass(frozen=True)
class Check:
    """One check of the suite.

    Attributes
    ----------
    name
        Stable: Dagster knows the history of a check by it.
    description
        What it asks of the service, in a sentence.
    remedy
        For a failure that says nothing better, and for an answer that does not come; told by the trial if it
        depends on the configuration: nobody with a file wants advice about a server.
    needs
        Names of the checks without which it cannot be judged.
    seconds
        How long it may take; None for the suite's limit.
    """

    name: str
    service: Service
    description: str
    run: "Callable[[Trial], Finding]"
    remedy: "str | Callable[[Trial], str]"
    needs: tuple[str, ...] = ()
    seconds: float | None = None

    def remedy_for(self, trial: "Trial") -> str:
        """What the user can do in this configuration."""
        return self.remedy if isinstance(self.remedy, str) else self.remedy(trial)


@dataclass(frozen=True)
class Result:
    """What came of one check; no text in it holds a secret."""

    name: str
    service: Service
    status: Status
    seconds: float
    detail: str
    remedy: str
    blocks: bool


def passed(detail: str) -> Finding:
    """The service does what it is asked."""
    return Finding(Status.PASSED, detail)


def warning(detail: str, remedy: str) -> Finding:
    """It does, but somebody should look at it."""
    return Finding(Status.WARNING, detail, remedy)


def failed(detail: str, remedy: str) -> Finding:
    """It does not."""
    return Finding(Status.FAILED, detail, remedy, blocks=True)


def skipped(reason: str, *, blocks: bool = False) -> Finding:
    """There is nothing to judge; `blocks` where what needs it cannot be judged either."""
    return Finding(Status.SKIPPED, reason, blocks=blocks)
