"""Dagster's runs: settling dead runs, and pruning the run history."""
