"""The contract of a record, and the expected rows of silver.parking_readings."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from foss_platform_tests.oracle.clock import TOLERANCE, instants, resolve

Key = tuple[str, datetime]

_FIELDS = ("Dato", "Klokkeslett", "Sted", "Latitude", "Longitude", "Antall_ledige_plasser")
_COUNT = re.compile(r"([0-9]{1,9})([.,]0+)?")
_DEGREES = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")


@dataclass(frozen=True)
class Poll:
    """One attempt to poll the feed. If `accepted` is False, the attempt failed regardless of its records."""

    polled_at: datetime
    batch_id: str
    records: list[Any]
    accepted: bool = True


@dataclass(frozen=True)
class Reading:
    """A row of silver.parking_readings."""

    site: str
    observed_at: datetime
    raw_value: str
    status: str
    free_spaces: int | None
    is_plausible: bool | None
    latitude: float | None
    longitude: float | None
    polled_at: datetime
    batch_id: str

    @property
    def is_usable(self) -> bool:
        """Whether gold counts the reading: its number is present and plausible."""
        return self.free_spaces is not None and self.is_plausible is not False

    @property
    def is_ahead(self) -> bool:
        """Whether the reading's time is later than its poll by more than the tolerance."""
        return self.observed_at > self.polled_at + TOLERANCE


@dataclass(frozen=True)
class JudgedPoll:
    """A poll after validation: the records that satisfy the contract, each with its instant."""

    polled_at: datetime
    batch_id: str
    accepted: bool
    rejected: int
    kept: list[tuple[dict[str, str], datetime]]

    @property
    def newest(self) -> datetime:
        """Newest data time of the poll. Only an accepted poll has one."""
        return max(instant for _, instant in self.kept)


def keeps_contract(record: object) -> bool:
    """Return whether a record has every field as a string, and a valid time that exists."""
    if not isinstance(record, dict):
        return False
    if not all(isinstance(record.get(field), str) for field in _FIELDS):
        return False
    return len(instants(record["Dato"], record["Klokkeslett"])) > 0


def judge(polls: Iterable[Poll]) -> list[JudgedPoll]:
    """Apply the contract to every poll, in order of (polled_at, batch_id)."""
    judged = []
    for poll in sorted(polls, key=lambda each: (each.polled_at, each.batch_id)):
        polled_at = poll.polled_at.astimezone(UTC)
        good = [record for record in poll.records if keeps_contract(record)]
        accepted = poll.accepted and bool(good)
        kept = [(record, resolve(instants(record["Dato"], record["Klokkeslett"]), polled_at)) for record in good]
        judged.append(
            JudgedPoll(
                polled_at=polled_at,
                batch_id=poll.batch_id,
                accepted=accepted,
                rejected=len(poll.records) - len(good),
                kept=kept if accepted else [],
            )
        )
    return judged


def readings(polls: Iterable[Poll], capacities: Mapping[str, int]) -> dict[Key, Reading]:
    """Return silver.parking_readings by (site, observed_at), in key order. The first record with a key wins.

    A record whose poll was before its reading gives way to any record whose poll was not.
    """
    first: dict[Key, Reading] = {}
    for poll in judge(polls):
        for record, observed_at in poll.kept:
            site = record["Sted"].strip()
            standing = first.get((site, observed_at))
            if standing is not None and (not standing.is_ahead or observed_at > poll.polled_at + TOLERANCE):
                continue
            status, free_spaces = _value(record["Antall_ledige_plasser"].strip())
            capacity = capacities.get(site)
            known = free_spaces is not None and capacity is not None
            first[site, observed_at] = Reading(
                site=site,
                observed_at=observed_at,
                raw_value=record["Antall_ledige_plasser"],
                status=status,
                free_spaces=free_spaces,
                is_plausible=(free_spaces or 0) <= (capacity or 0) if known else None,
                latitude=_degrees(record["Latitude"]),
                longitude=_degrees(record["Longitude"]),
                polled_at=poll.polled_at,
                batch_id=poll.batch_id,
            )
    return dict(sorted(first.items()))


def _value(text: str) -> tuple[str, int | None]:
    """Return the status and the number of free spaces of the trimmed text."""
    if text == "Fullt":
        return "full", 0
    if text == "Open":
        return "open", None
    count = _COUNT.fullmatch(text)
    return ("counted", int(count[1])) if count else ("unreadable", None)


def _degrees(text: str) -> float | None:
    """Return the decimal number in the text, or None if it is not a number."""
    return float(text) if _DEGREES.fullmatch(text.strip()) else None
