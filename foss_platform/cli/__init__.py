"""The `foss` command: one module per verb. Each verb is a thin caller of the core or of the asset graph."""
