"""Trino benchmark with 100 million rows on a cluster, separate because it takes an hour."""

from foss_platform_tests.benchmarks.measure import Bench
from foss_platform_tests.benchmarks.report import Report
from foss_platform_tests.benchmarks.trino.trino_benchmark import compared


def run(bench: Bench) -> Report:
    """Run the benchmark."""
    return compared(bench, "trino_100m", 100_000_000, rounds=1, workers=2)
