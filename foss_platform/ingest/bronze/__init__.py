"""Bronze tables and the poll log: schemas, commits and queries."""
