"""Dagster components that the pages in `defs/` use: a thin shell over lake, ingest and transform."""
