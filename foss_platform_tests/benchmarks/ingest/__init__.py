"""Benchmarks of polling and loading."""
