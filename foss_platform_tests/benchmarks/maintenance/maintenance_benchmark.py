"""Checks that the twenty-thousandth poll costs what the hundredth did, and that a lake's size stays bounded."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from foss_platform_tests.benchmarks.maintenance.maintained_lake import COMPARED, POLLS_PER_CARE, maintained, neglected
from foss_platform_tests.benchmarks.maintenance.picture import draw
from foss_platform_tests.benchmarks.measure import Bench
from foss_platform_tests.benchmarks.report import Figure, Report
from foss_platform_tests.repository import PROJECT_ROOT

_METHOD = """\
{count:,} polls of 9 records, two simulated minutes apart, are appended to one lake as `foss run` does, with the \
default policy. All tables are maintained every three simulated hours. The last {compared} polls alternate with polls \
{compared} to {twice} of a new lake, in one process. For comparison, {off:,} polls are made with maintenance turned \
off: no expiry, pins, compaction or scheduled maintenance (fewer than {most:,} polls if one reached {limit:g} s of \
processor time or time ran out)."""
_GOAL = 1.2
_NEGLECTED_LIMIT_SECONDS = 1.0
_CARED_LIMIT_SECONDS = 10_800.0
_BOUNDED = ("live snapshots", "data files", "manifests", "metadata bytes", "bytes on disk", "files on disk")


def run(bench: Bench) -> Report:
    """Run the benchmark and draw the picture."""
    _, maintained = polled_lake(bench)
    count = bench.choose(700, 300)
    off: dict[str, Any] = bench.made_once("maintenance-off", neglected, count, _NEGLECTED_LIMIT_SECONDS)[1]
    picture = (bench.folder if bench.quick else PROJECT_ROOT / "docs") / "maintenance.png"
    draw(picture, maintained, off)
    method = _METHOD.format(
        count=len(maintained["costs"]),
        compared=COMPARED,
        twice=2 * COMPARED,
        limit=_NEGLECTED_LIMIT_SECONDS,
        most=count,
        off=len(off["costs"]),
    )
    notes = [*_bounds(maintained["states"]), _neglect(off)]
    if not bench.quick:
        notes.append(f"![Cost and size by polls, with maintenance and with maintenance turned off]({picture.name})")
    return Report("maintenance", method, _figures(maintained), notes)


def polled_lake(bench: Bench) -> tuple[Path, dict[str, Any]]:
    """Return the maintained lake and its recorded measurements."""
    count = bench.choose(20_000, 1_500)
    return bench.made_once("maintenance-cared", maintained, count, _CARED_LIMIT_SECONDS)


def _figures(maintained: dict[str, Any]) -> list[Figure]:
    young, old = maintained["in turn"]["young"], maintained["in turn"]["old"]
    alone = maintained["costs"]
    maintenance = [_hour(hour) for hour in maintained["cares"]]
    # maintenance at the end, and in the period with which the young lake was compared
    old_maintenance, young_maintenance = maintenance[-8:], [_hour(hour) for hour in maintained["young cares"]]
    with_maintenance = [_median(old, part) + _mean(old_maintenance, part) / POLLS_PER_CARE for part in (0, 1)]
    young_with_maintenance = [_median(young, part) + _mean(young_maintenance, part) / POLLS_PER_CARE for part in (0, 1)]
    return [
        Figure("last polls / polls of a young lake, alternating", [_median(old, 0) / _median(young, 0)], goal=_GOAL),
        Figure("  processor time", [_median(old, 1) / _median(young, 1)], goal=_GOAL),
        Figure(
            f"last {COMPARED} polls / polls {COMPARED} to {2 * COMPARED} of the same lake, long before",
            [_median(alone[-COMPARED:], 0) / _median(alone[COMPARED : 2 * COMPARED], 0)],
        ),
        Figure("  processor time", [_median(alone[-COMPARED:], 1) / _median(alone[COMPARED : 2 * COMPARED], 1)]),
        Figure(
            "with maintenance spread over the polls: old / young", [with_maintenance[0] / young_with_maintenance[0]]
        ),
        Figure("  processor time", [with_maintenance[1] / young_with_maintenance[1]]),
        Figure("a poll of the young lake", [cost[0] * 1000 for cost in young], "ms"),
        Figure("a poll of the old lake", [cost[0] * 1000 for cost in old], "ms"),
        Figure("one maintenance of all tables", [cost[0] for cost in maintenance], "s"),
        Figure("  the last day", [cost[0] for cost in old_maintenance], "s"),
        Figure("all maintenance", [sum(cost[0] for cost in maintenance)], "s"),
        Figure("all maintenance, per poll", [sum(cost[0] for cost in maintenance) / len(alone) * 1000], "ms"),
        Figure("all polls", [sum(cost[0] for cost in alone)], "s"),
    ]


def _hour(tables: dict[str, list[float]]) -> list[float]:
    return [sum(cost[part] for cost in tables.values()) for part in (0, 1)]


def _median(costs: Sequence[Sequence[float]], part: int) -> float:
    return statistics.median(cost[part] for cost in costs)


def _mean(costs: Sequence[Sequence[float]], part: int) -> float:
    return statistics.fmean(cost[part] for cost in costs)


def _bounds(states: Sequence[dict[str, float]]) -> list[str]:
    """Return the largest value by third of the polls. A bounded quantity stops growing after the second."""
    third = len(states) // 3
    parts = [states[:third], states[third : 2 * third], states[2 * third :]]
    return [
        f"Most {key} in the first, second and last third: "
        + ", ".join(f"{max(state[key] for state in part):,.0f}" for part in parts)
        + "."
        for key in _BOUNDED
    ]


def _neglect(off: dict[str, Any]) -> str:
    last, costs = off["states"][-1], [cost[1] for cost in off["costs"]]
    return (
        f"Maintenance turned off, after {last['polls']:,.0f} polls: "
        f"{statistics.median(costs[-20:]):.2f} s of processor time per poll, "
        f"{last['live snapshots']:,.0f} live snapshots, {last['data files']:,.0f} data files, "
        f"{last['manifests']:,.0f} manifests, a metadata file of {last['metadata bytes'] / 1e6:.1f} MB, "
        f"{last['bytes on disk'] / 1e6:,.0f} MB on disk."
    )
