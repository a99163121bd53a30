"""Benchmarks of building silver and gold."""
