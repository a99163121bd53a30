"""The `foss` command: one module a verb, each a thin caller of the core or of the asset graph."""
