"""A batch's identity, which comes from its cause and not from the try: the same cause is the same batch.

A scheduled poll is its pipeline and tick, a poll by hand its request, a replayed poll its recorded
time and content. Ids begin with what orders them in time, so that Iceberg's column statistics prune.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from foss_platform.errors import ConfigurationError


class CauseKind(StrEnum):
    """Why a poll was made."""

    SCHEDULE = "schedule"
    REQUEST = "request"
    RECORDING = "recording"


@dataclass(frozen=True)
class Cause:
    """Why a poll is made, and the id of its batch."""

    kind: CauseKind
    batch_id: str


def scheduled(pipeline: str, tick: datetime) -> Cause:
    """The poll of one tick of the schedule (an aware time)."""
    return Cause(CauseKind.SCHEDULE, f"{pipeline}/schedule/{_to_milliseconds(tick)}")


def requested(pipeline: str, request: str) -> Cause:
    """A poll by hand; `request` names it, e.g. the id of the Dagster run that first tried it."""
    return Cause(CauseKind.REQUEST, f"{pipeline}/request/{request}")


def recorded(pipeline: str, polled_at: datetime, content_hash: str) -> Cause:
    """A replayed poll."""
    return Cause(CauseKind.RECORDING, f"{pipeline}/recording/{_to_milliseconds(polled_at)}/{content_hash}")


def _to_milliseconds(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ConfigurationError(f"The time {moment.isoformat()} has no zone.", "Write it with one, such as Z.")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
