"""Commands that read the lake: status, tables, sql, history, diff."""
