"""The identity of a batch. It depends only on the cause of the poll, so every retry for a cause has the same batch.

The cause of a scheduled poll is its pipeline and tick. The cause of a manual poll is its request. The cause of a
replayed poll is its recorded time and content. Ids sort by time, so that Iceberg's column statistics can skip
files.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from foss_platform.errors import ConfigurationError


class CauseKind(StrEnum):
    """The kind of a poll's cause."""

    SCHEDULE = "schedule"
    REQUEST = "request"
    RECORDING = "recording"


@dataclass(frozen=True)
class Cause:
    """The cause of a poll, with the id of its batch."""

    kind: CauseKind
    batch_id: str


def scheduled(pipeline: str, tick: datetime) -> Cause:
    """Return the cause of a scheduled poll. `tick` is a time with a zone."""
    return Cause(CauseKind.SCHEDULE, f"{pipeline}/schedule/{_to_milliseconds(tick)}")


def requested(pipeline: str, request: str) -> Cause:
    """Return the cause of a manual poll. `request` identifies it, e.g. the id of its first Dagster run."""
    return Cause(CauseKind.REQUEST, f"{pipeline}/request/{request}")


def recorded(pipeline: str, polled_at: datetime, content_hash: str) -> Cause:
    """Return the cause of a replayed poll."""
    return Cause(CauseKind.RECORDING, f"{pipeline}/recording/{_to_milliseconds(polled_at)}/{content_hash}")


def _to_milliseconds(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ConfigurationError(f"The time {moment.isoformat()} has no zone.", "Add a zone, such as Z.")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
