"""The object store or folder below the tables: access, bulk requests, failures."""
