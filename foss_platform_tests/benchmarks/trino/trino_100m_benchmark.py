"""The benchmark of Trino at 100 million rows, on a cluster, for itself, since it takes an hour."""

from foss_platform_tests.benchmarks.measure import Bench
from foss_platform_tests.benchmarks.report import Report
from foss_platform_tests.benchmarks.trino.trino_benchmark import compared


def run(bench: Bench) -> Report:
    """Measure."""
    return compared(bench, "trino_100m", 100_000_000, rounds=1, workers=2)
