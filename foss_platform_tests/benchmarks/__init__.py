"""Benchmarks of the platform, measured as ratios in one run: `python -m foss_platform_tests.benchmarks --list`."""
