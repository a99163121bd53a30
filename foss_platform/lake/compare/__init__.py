"""Comparing two states of a table, and one table in two engines."""
