"""Bronze tables and the poll log: schemas, commits and questions to them."""
