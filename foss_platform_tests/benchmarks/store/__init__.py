"""Benchmarks of Postgres and MinIO."""
