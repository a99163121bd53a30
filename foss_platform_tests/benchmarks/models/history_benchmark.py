"""Checks that an incremental build of silver and gold stays as cheap with a hundred times the history."""

import statistics
from collections.abc import Sequence

from foss_platform_tests.benchmarks.ingest.polls import PIPELINE
from foss_platform_tests.benchmarks.measure import Bench, Outcome, in_own_process
from foss_platform_tests.benchmarks.models.history_lake import make_history, steps
from foss_platform_tests.benchmarks.report import Figure, Report

_METHOD = """\
One poll of 9 records is committed. Then `dbt build` runs all models and tests in a warm process, and this build is \
measured. The measurements alternate between a lake with {small:,} rows of bronze and a lake with {large:,} \
(synthetic: 9 sites, a poll every two minutes for years). To create the lakes, silver was written without the sort of \
a rebuild (but with the same rows). Gold was written by the SQL of the models, with `parking_latest` and \
`parking_typical_week` from the newest weeks only. Then both lakes were maintained. Each lake is measured in {rounds} \
processes, with {count} polls each after a warm-up poll."""
_GOAL = 1.3
_SHOWN = 8


def run(bench: Bench) -> Report:
    """Run the benchmark."""
    sizes = bench.choose(1_000_000, 100_000), bench.choose(100_000_000, 1_000_000)
    rounds, count = bench.choose(3, 1), bench.choose(3, 2)
    homes = [bench.made_once(f"history-{rows}", make_history, rows) for rows in sizes]
    found: tuple[list[Outcome], list[Outcome]] = ([], [])
    for _ in range(rounds):
        for (home, _), outcomes in zip(homes, found, strict=True):
            outcomes.append(in_own_process(bench.folder, steps, home, count))
    small, large = found
    pairs = list(zip(small, large, strict=True))
    figures = [
        Figure(
            "an incremental build: large / small",
            [_median(b, "seconds") / _median(a, "seconds") for a, b in pairs],
            goal=_GOAL,
        ),
        Figure("  small", [_median(a, "seconds") for a in small], "s"),
        Figure("  large", [_median(b, "seconds") for b in large], "s"),
        Figure(
            "processor time of an incremental build: large / small",
            [_median(b, "processor") / _median(a, "processor") for a, b in pairs],
            goal=_GOAL,
        ),
        Figure("peak memory: large / small", [b.peak_megabytes / a.peak_megabytes for a, b in pairs], goal=_GOAL),
        Figure("  small", [a.peak_megabytes for a in small], "MB"),
        Figure("  large", [b.peak_megabytes for b in large], "MB"),
        *_node_figures(small, large),
    ]
    rows = [home[1][f"bronze.{PIPELINE}"] for home in homes]
    method = _METHOD.format(small=rows[0], large=rows[1], rounds=rounds, count=count)
    return Report("history", method, figures, [_silver_note(homes[1][1])])


def _median(outcome: Outcome, what: str) -> float:
    return statistics.median(float(step[what]) for step in outcome.value)


def _node_figures(small: Sequence[Outcome], large: Sequence[Outcome]) -> list[Figure]:
    """Return the models and tests that the larger history slows down most."""
    more = {node: _node_seconds(large, node) - _node_seconds(small, node) for node in large[0].value[0]["nodes"]}
    return [
        Figure(f"  {node}: from {_node_seconds(small, node):.2f} s by", [seconds], "s")
        for node, seconds in sorted(more.items(), key=lambda item: -item[1])[:_SHOWN]
    ]


def _node_seconds(outcomes: Sequence[Outcome], node: str) -> float:
    return statistics.median(float(step["nodes"][node]) for outcome in outcomes for step in outcome.value)


def _silver_note(rows: dict[str, int]) -> str:
    tables = ", ".join(f"{name} {count:,}" for name, count in rows.items() if count)
    return f"Rows of the larger lake when it was created: {tables}."
