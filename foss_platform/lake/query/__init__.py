"""Queries with DuckDB over Iceberg tables, reference tables and raw files."""
