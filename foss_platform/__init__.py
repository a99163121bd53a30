"""The FOSS Data Platform: REST feeds into Apache Iceberg, refined with dbt, run by Dagster.

Rooms: `lake` (Iceberg), `ingest` (HTTP to Arrow), `transform` (dbt over Iceberg) know no Dagster;
`components` and `defs` are the Dagster shell over them; `cli` is the `foss` command.
"""
