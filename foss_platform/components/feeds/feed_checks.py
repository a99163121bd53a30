"""The checks of a feed's bronze table: their specs and their verdicts, as pure functions of one poll."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import dagster as dg

from foss_platform.ingest.bronze.unknown_fields import FieldDrift
from foss_platform.ingest.page.feed import Feed

ROWS_IN_RANGE = "rows_in_expected_range"
KEEPS_CONTRACT = "records_keep_contract"
NOT_FROZEN = "feed_not_frozen"
NOT_LATE = "feed_not_late"
FIELDS_KNOWN = "fields_are_known"
FIELDS_PRESENT = "fields_are_present"


@dataclass(frozen=True)
class PollFacts:
    """The input of the checks: a committed poll, and since when its newest data time has not changed.

    Attributes
    ----------
    standing_since
        Time of the poll in which this newest data time first appeared, without a change since.
    """

    polled_at: datetime
    accepted: int
    reasons: Sequence[str]
    newest_data_time: datetime
    standing_since: datetime
    drift: FieldDrift = field(default_factory=FieldDrift)


def check_specs(feed: Feed, asset: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """Return the specs of the checks, in the order in which `check_results` yields their verdicts."""
    rows, limits = feed.limits.rows, feed.limits
    return [
        dg.AssetCheckSpec(
            ROWS_IN_RANGE,
            asset=asset,
            blocking=True,
            description=f"A poll has {rows.minimum} to {rows.maximum} records.",
        ),
        dg.AssetCheckSpec(KEEPS_CONTRACT, asset=asset, description="No record of the poll was rejected."),
        dg.AssetCheckSpec(
            NOT_FROZEN,
            asset=asset,
            description=f"The newest data time has changed within the last {limits.frozen_after_minutes:g} minutes.",
        ),
        dg.AssetCheckSpec(
            NOT_LATE,
            asset=asset,
            description=f"The newest data time is at most {limits.late_after_minutes:g} minutes behind the poll.",
        ),
        dg.AssetCheckSpec(
            FIELDS_KNOWN, asset=asset, description="The feed has no fields that are not in the contract."
        ),
        dg.AssetCheckSpec(
            FIELDS_PRESENT, asset=asset, description="Every optional field of the contract is in at least one record."
        ),
    ]


def check_results(feed: Feed, asset: dg.AssetKey, facts: PollFacts) -> Iterator[dg.AssetCheckResult]:
    """Yield the verdicts on one poll. Only the range of rows is an error. The other checks are warnings."""
    rows, limits = feed.limits.rows, feed.limits
    count = facts.accepted + len(facts.reasons)
    yield dg.AssetCheckResult(
        asset_key=asset,
        check_name=ROWS_IN_RANGE,
        passed=rows.minimum <= count <= rows.maximum,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{count} records",
        metadata={"records": count, "minimum": rows.minimum, "maximum": rows.maximum},
    )
    yield _warning(
        asset,
        KEEPS_CONTRACT,
        passed=not facts.reasons,
        text=f"{len(facts.reasons)} rejected"
        + (f": {'; '.join(sorted(set(facts.reasons))[:3])}" if facts.reasons else ""),
        value=("rejected", float(len(facts.reasons))),
    )
    still = (facts.polled_at - facts.standing_since).total_seconds() / 60
    yield _warning(
        asset,
        NOT_FROZEN,
        passed=not limits.is_frozen(still),
        text=f"newest data time {facts.newest_data_time.isoformat()} has not changed for {still:.0f} minutes",
        value=("minutes_standing_still", still),
    )
    behind = (facts.polled_at - facts.newest_data_time).total_seconds() / 60
    yield _warning(
        asset,
        NOT_LATE,
        passed=behind <= limits.late_after_minutes,
        text=f"newest data time is {behind:.0f} minutes behind the poll",
        value=("minutes_behind", behind),
    )
    known = "; ".join(
        f"{unknown.name} since {unknown.since.isoformat(timespec='seconds')}, e.g. {', '.join(unknown.samples)}"
        for unknown in facts.drift.unknown
    )
    yield _warning(
        asset,
        FIELDS_KNOWN,
        passed=not facts.drift.unknown,
        text=f"stored, but not in the contract: {known}" if known else "all known",
        value=("unknown_fields", float(len(facts.drift.unknown))),
    )
    yield _warning(
        asset,
        FIELDS_PRESENT,
        passed=not facts.drift.absent,
        text=f"missing from all records: {', '.join(facts.drift.absent)}" if facts.drift.absent else "all present",
        value=("absent_fields", float(len(facts.drift.absent))),
    )


def _warning(
    asset: dg.AssetKey, name: str, *, passed: bool, text: str, value: tuple[str, float]
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=name,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=text,
        metadata={value[0]: round(value[1], 2)},
    )
