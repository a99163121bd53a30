"""dbt over Iceberg: the DuckDB plugin and running dbt in process. Knows no Dagster."""
