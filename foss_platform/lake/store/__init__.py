"""The object store or folder that holds the tables: access, bulk requests, failures."""
