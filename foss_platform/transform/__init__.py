"""dbt over Iceberg: the DuckDB plugin, and dbt runs in this process. Independent of Dagster."""
