"""The vocabulary of the pages in `defs/`: Dagster components, a thin shell over lake, ingest and transform."""
