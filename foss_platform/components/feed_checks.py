"""The checks on a feed's bronze table: their specs and their verdicts. Pure functions over one poll."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from foss_platform.ingest.feed import Feed

ROWS_IN_RANGE = "rows_in_expected_range"
KEEPS_CONTRACT = "records_keep_contract"
NOT_FROZEN = "feed_not_frozen"
NOT_LATE = "feed_not_late"


@dataclass(frozen=True)
class PollFacts:
    """What the checks judge: an accepted poll, and since when its newest data time has been the newest.

    Attributes
    ----------
    standing_since
        Poll time of the first poll of the unbroken run of polls with this newest data time.
    """

    polled_at: datetime
    accepted: int
    reasons: Sequence[str]
    newest_data_time: datetime
    standing_since: datetime


def check_specs(feed: Feed, asset: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """Their specs, in the order in which `check_results` yields them."""
    rows, limits = feed.limits.rows, feed.limits
    return [
        dg.AssetCheckSpec(
            ROWS_IN_RANGE,
            asset=asset,
            blocking=True,
            description=f"A poll holds {rows.minimum} to {rows.maximum} records.",
        ),
        dg.AssetCheckSpec(KEEPS_CONTRACT, asset=asset, description="No record of the poll was rejected."),
        dg.AssetCheckSpec(
            NOT_FROZEN,
            asset=asset,
            description=f"The newest data time has not stood still for over {limits.frozen_after_minutes:g} minutes.",
        ),
        dg.AssetCheckSpec(
            NOT_LATE,
            asset=asset,
            description=f"The newest data time is at most {limits.late_after_minutes:g} minutes behind the poll.",
        ),
    ]


def check_results(feed: Feed, asset: dg.AssetKey, facts: PollFacts) -> Iterator[dg.AssetCheckResult]:
    """The verdicts on one poll; only the range of rows is an error, the rest are warnings."""
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
        passed=still <= limits.frozen_after_minutes,
        text=f"newest data time {facts.newest_data_time.isoformat()} has stood still for {still:.0f} minutes",
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
