"""Iceberg: open the catalog; create, append to, replace, read and maintain tables. Imports neither Dagster nor HTTP."""
