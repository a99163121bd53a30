"""Iceberg: open the catalog, create, append, replace, read and care for tables. Knows no Dagster, no HTTP."""
