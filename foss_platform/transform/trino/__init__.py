"""dbt on Trino: what each run needs before and after the statements."""
