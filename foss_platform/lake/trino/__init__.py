"""The lake through Trino: the connection, queries, types and failures."""
