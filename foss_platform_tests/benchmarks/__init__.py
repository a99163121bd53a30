"""What the platform costs, measured as ratios in one run: `python -m foss_platform_tests.benchmarks --list`."""
