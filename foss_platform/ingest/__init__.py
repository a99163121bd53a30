"""HTTP to Arrow: contract, fetch, parse, reject, replay. Knows no Dagster."""
