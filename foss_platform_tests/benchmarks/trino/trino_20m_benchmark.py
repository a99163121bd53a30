"""Trino benchmark with 20 million rows, separate because it takes about twenty minutes."""

from foss_platform_tests.benchmarks.measure import Bench
from foss_platform_tests.benchmarks.report import Report
from foss_platform_tests.benchmarks.trino.trino_benchmark import compared


def run(bench: Bench) -> Report:
    """Run the benchmark."""
    return compared(bench, "trino_20m", 20_000_000, rounds=1)
