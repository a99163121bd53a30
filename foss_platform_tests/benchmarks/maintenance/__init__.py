"""Benchmarks of maintenance and of what it keeps fast."""
