"""Benchmarks of Trino."""
