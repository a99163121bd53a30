"""The classes of a check, its finding and its result."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foss_platform.validation.trial import Trial


class Status(StrEnum):
    """The outcome of a check."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Service(StrEnum):
    """The subject of a check."""

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
    """The finding of a check.

    Attributes
    ----------
    detail
        What the check found. For a skipped check, the reason.
    remedy
        What the user can do. Empty if nothing has to be done.
    blocks
        Whether checks that depend on this check cannot run.
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
        Must not change, because Dagster's history of a check is stored by its name.
    description
        What the check requires of the service, in one sentence.
    remedy
        Used after a time-out, or if a failure has no remedy of its own. It may be a function of the trial, because a
        file needs other advice than a server.
    needs
        Names of the checks that must pass before this check can run.
    seconds
        The check's time limit. None for the suite's limit.
    """

    name: str
    service: Service
    description: str
    run: "Callable[[Trial], Finding]"
    remedy: "str | Callable[[Trial], str]"
    needs: tuple[str, ...] = ()
    seconds: float | None = None

    def remedy_for(self, trial: "Trial") -> str:
        """Return what the user can do in this configuration."""
        return self.remedy if isinstance(self.remedy, str) else self.remedy(trial)


@dataclass(frozen=True)
class Result:
    """The result of one check. No text in it contains a secret."""

    name: str
    service: Service
    status: Status
    seconds: float
    detail: str
    remedy: str
    blocks: bool


def passed(detail: str) -> Finding:
    """The service meets the requirement."""
    return Finding(Status.PASSED, detail)


def warning(detail: str, remedy: str) -> Finding:
    """The service meets the requirement, but needs attention."""
    return Finding(Status.WARNING, detail, remedy)


def failed(detail: str, remedy: str) -> Finding:
    """The service does not meet the requirement."""
    return Finding(Status.FAILED, detail, remedy, blocks=True)


def skipped(reason: str, *, blocks: bool = False) -> Finding:
    """There is nothing to check. `blocks` also skips the checks that depend on this check."""
    return Finding(Status.SKIPPED, reason, blocks=blocks)
