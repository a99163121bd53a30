"""Access to the lake through Trino: connection, queries, types and failures."""
