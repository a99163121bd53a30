"""Dagster's runs: dead runs, and pruning their history."""
