"""What exists: a page a pipeline, one for dbt, one for operations. How it works is in `components`."""
