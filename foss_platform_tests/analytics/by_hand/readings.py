"""Answers in plain Python, from the readings of silver. Nothing of the platform's is used."""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]
Tables = Mapping[str, Sequence[Row]]

_OSLO = ZoneInfo("Europe/Oslo")


def time_until_full(tables: Tables) -> list[Row]:
    """Days on which a site came down to 50, and minutes until it was full."""
    found: dict[str, list[int | None]] = defaultdict(list)
    for site, readings in _by_site(_usable(tables)).items():
        days: dict[Any, list[tuple[Row, Row | None]]] = defaultdict(list)
        for before, reading in zip([None, *readings], readings, strict=False):
            days[_local(reading["observed_at"]).date()].append((reading, before))
        for pairs in days.values():
            low = [reading["observed_at"] for reading, _ in pairs if 1 <= reading["free_spaces"] <= 50]
            if low:
                full = [
                    reading["observed_at"]
                    for reading, before in pairs
                    if reading["free_spaces"] == 0
                    and before is not None
                    and before["free_spaces"] <= 20
                    and reading["observed_at"] > low[0]
                ]
                found[site].append(_minutes(low[0], full[0]) if full else None)
    rows = []
    for site, lasting in sorted(found.items()):
        minutes = sorted(value for value in lasting if value is not None)
        rows.append(
            {
                "site": site,
                "days_low": len(lasting),
                "days_full": len(minutes),
                "fastest_minutes": minutes[0] if minutes else None,
                "median_minutes": float(statistics.median(minutes)) if minutes else None,
            }
        )
    return rows


def false_full(tables: Tables) -> list[Row]:
    """Readings that say full, and those between two that say otherwise."""
    rows = []
    for site, readings in sorted(_by_site(tables["silver.parking_readings"]).items()):
        free = [None, *(reading["free_spaces"] for reading in readings), None]
        full = [place for place, reading in enumerate(readings) if reading["status"] == "full"]
        wrong = [place for place in full if (free[place] or 0) > 20 and (free[place + 2] or 0) > 20]
        if full:
            rows.append({"site": site, "says_full": len(full), "cannot_be": len(wrong)})
    return rows


def frozen_feed(tables: Tables) -> list[Row]:
    """By site, the longest pause that ends on the day with most minutes frozen."""
    frozen = [day for day in tables["gold.parking_feed_health"] if day["minutes_frozen"] > 0]
    rows = []
    for day in sorted(frozen, key=lambda day: (-day["minutes_frozen"], day["local_day"]))[:1]:
        for site, readings in sorted(_by_site(tables["silver.parking_readings"]).items()):
            pairs = [pair for pair in pairwise(readings) if _local(pair[1]["observed_at"]).date() == day["local_day"]]
            if not pairs:
                continue
            shown, after = max(pairs, key=lambda pair: pair[1]["observed_at"] - pair[0]["observed_at"])
            if shown["is_plausible"] is not False:
                rows.append(
                    {
                        "site": site,
                        "shown_from": shown["observed_at"],
                        "shown_until": after["observed_at"],
                        "minutes": _minutes(shown["observed_at"], after["observed_at"]),
                        "minutes_frozen": day["minutes_frozen"],
                        "free_shown": shown["free_spaces"],
                        "free_after": after["free_spaces"],
                    }
                )
    return rows


def _usable(tables: Tables) -> list[Row]:
    return [
        row
        for row in tables["silver.parking_readings"]
        if row["free_spaces"] is not None and row["is_plausible"] is not False
    ]


def _by_site(readings: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(readings, key=lambda row: row["observed_at"]):
        found[row["site"]].append(row)
    return found


def _local(moment: datetime) -> datetime:
    return moment.astimezone(_OSLO)


def _minutes(earlier: datetime, later: datetime) -> int:
    return round((later - earlier).total_seconds() / 60)
