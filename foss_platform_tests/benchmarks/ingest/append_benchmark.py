"""Checks that the cost of a poll stays flat as a table grows, because the number of snapshots is limited."""

import statistics
import time

from foss_platform.cli.shared.pages import find_feed
from foss_platform.ingest.recording.replay import replay
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform_tests.benchmarks.ingest.polls import PIPELINE, bulk
from foss_platform_tests.benchmarks.measure import Bench, in_own_process, settings_of
from foss_platform_tests.benchmarks.report import Figure, Report

_METHOD = """\
{count} polls of 9 records are appended to a new lake in a warm process, each with one commit to bronze and one to the \
poll log. From the sixtieth poll on, each table keeps 60 live snapshots. {rounds} rounds, each from an empty lake. The \
figures are medians of {part} polls."""


def run(bench: Bench) -> Report:
    """Run the benchmark."""
    count, part, rounds = bench.choose(360, 24), bench.choose(60, 8), bench.choose(3, 1)
    costs: list[list[float]] = [
        in_own_process(bench.folder, append_polls, bench.folder / f"home{number}", count).value
        for number in range(rounds)
    ]
    first = [statistics.median(cost[:part]) for cost in costs]
    second = [statistics.median(cost[part : 2 * part]) for cost in costs]
    last = [statistics.median(cost[-part:]) for cost in costs]
    figures = [
        Figure(
            f"the last {part} / those from {part + 1} to {2 * part}",
            [b / a for a, b in zip(second, last, strict=True)],
            goal=1.25,
        ),
        Figure(f"the last {part} / the first {part}", [b / a for a, b in zip(first, last, strict=True)]),
        Figure(f"a poll of the first {part}", [value * 1000 for value in first], "ms"),
        Figure(f"a poll of the last {part}", [value * 1000 for value in last], "ms"),
    ]
    note = "During the first 60 polls the table has half as many snapshots on average. Each snapshot costs a little."
    return Report("append", _METHOD.format(count=count, rounds=rounds, part=part), figures, [note])


def append_polls(home: str, count: int) -> list[float]:
    """Return the seconds of each poll: validation and the commits to bronze and the log."""
    catalog, feed = open_catalog(settings_of(home)), find_feed(PIPELINE)
    costs = []
    for poll in bulk(count):
        started = time.perf_counter()
        replay(catalog, feed, [poll], "recording:benchmark", {})
        costs.append(time.perf_counter() - started)
    return costs
