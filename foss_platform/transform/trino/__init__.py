"""dbt on Trino: the work before and after the statements of a run."""
