"""Comparing two states of a table, and the tables of two engines."""
