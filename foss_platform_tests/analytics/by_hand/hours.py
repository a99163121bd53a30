"""Answers in plain Python, from gold's hours and typical week. Nothing of the platform's is used."""

import csv
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import combinations
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Tables = Mapping[str, Sequence[Row]]

_SITES = Path(__file__).parents[3] / "dbt_project" / "reference" / "parking_sites.csv"


def fill_together(tables: Tables) -> list[Row]:
    """Correlations of each two sites, as counted and beyond what is usual."""
    hours: dict[str, dict[datetime, tuple[float, float]]] = defaultdict(dict)
    for hour, usual in _usual(tables):
        hours[hour["site"]][hour["hour"]] = (hour["free_avg"], hour["free_avg"] - usual["free_p50"])
    rows = []
    for one, other in combinations(sorted(hours), 2):
        common = sorted(hours[one].keys() & hours[other].keys())
        free = [[hours[site][hour][0] for hour in common] for site in (one, other)]
        beyond = [[hours[site][hour][1] for hour in common] for site in (one, other)]
        try:
            together, together_beyond = statistics.correlation(*free), statistics.correlation(*beyond)
        except statistics.StatisticsError:
            # fewer than two hours, or a counter that stands still
            continue
        rows.append(
            {
                "site": one,
                "other_site": other,
                "hours": len(common),
                "together": round(together, 2),
                "together_beyond_usual": round(together_beyond, 2),
            }
        )
    return rows


def unusual_days(tables: Tables) -> list[Row]:
    """Hours outside of the usual band, by site and day."""
    days: dict[Any, list[tuple[Row, Row]]] = defaultdict(list)
    for hour, usual in _usual(tables):
        days[hour["site"], hour["local_hour"].date()].append((hour, usual))
    return [
        {
            "site": site,
            "local_day": day,
            "iso_weekday": day.isoweekday(),
            "hours": len(pairs),
            "hours_fuller": sum(hour["free_avg"] < usual["free_p10"] for hour, usual in pairs),
            "hours_emptier": sum(hour["free_avg"] > usual["free_p90"] for hour, usual in pairs),
        }
        for (site, day), pairs in sorted(days.items())
        if len(pairs) >= 12
    ]


def typical_friday(tables: Tables) -> list[Row]:
    """What is usual on a Friday."""
    wanted = ("site", "local_hour_of_day", "readings", "free_p50")
    rows = [
        {name: row[name] for name in wanted} for row in tables["gold.parking_typical_week"] if row["iso_weekday"] == 5
    ]
    return sorted(rows, key=lambda row: (row["site"], row["local_hour_of_day"]))


def revenue_estimate(tables: Tables) -> list[Row]:
    """Spaces taken, at the example tariffs."""
    with _SITES.open(newline="") as lines:
        sites = {row["site"]: row for row in csv.DictReader(lines) if row["capacity"]}
    days: dict[Any, list[float]] = defaultdict(list)
    for hour in tables["gold.parking_hourly"]:
        if hour["site"] in sites and 8 <= hour["local_hour"].hour <= 17:
            site = sites[hour["site"]]
            taken = max(int(site["capacity"]) - hour["free_avg"], 0)
            days[hour["site"], hour["local_hour"].date()].append(taken * int(site["example_tariff_nok_per_hour"]))
    whole: dict[str, list[float]] = defaultdict(list)
    for (name, _), hours in sorted(days.items()):
        if len(hours) == 10:
            whole[name].append(sum(hours))
    return [
        {
            "site": name,
            "days": len(each),
            "nok_per_day": float(round(sum(each) / len(each))),
            "nok": float(round(sum(each))),
        }
        for name, each in sorted(whole.items())
    ]


def busiest_hour(tables: Tables) -> list[Row]:
    """By site and weekday, the hour with the lowest median."""
    weekdays: dict[Any, list[Row]] = defaultdict(list)
    for row in tables["gold.parking_typical_week"]:
        weekdays[row["site"], row["iso_weekday"]].append(row)
    rows = []
    for (site, weekday), hours in sorted(weekdays.items()):
        best = min(hours, key=lambda row: (row["free_p50"], row["local_hour_of_day"]))
        most = max(row["free_p50"] for row in hours)
        if 10 * best["free_p50"] < 9 * most:
            found = {"busiest_hour": best["local_hour_of_day"], "free_then": best["free_p50"], "free_at_most": most}
            rows.append({"site": site, "iso_weekday": weekday, **found})
    return rows


def _usual(tables: Tables) -> list[tuple[Row, Row]]:
    """Each hour with what is usual then."""
    week = {
        (row["site"], row["iso_weekday"], row["local_hour_of_day"]): row for row in tables["gold.parking_typical_week"]
    }
    found = []
    for hour in tables["gold.parking_hourly"]:
        local = hour["local_hour"]
        if usual := week.get((hour["site"], local.isoweekday(), local.hour)):
            found.append((hour, usual))
    return found
