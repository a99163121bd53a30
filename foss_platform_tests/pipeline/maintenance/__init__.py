"""Tests of table maintenance and of pruning Dagster's history."""
