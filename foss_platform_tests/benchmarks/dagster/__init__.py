"""Benchmarks of runs through Dagster."""
