"""From HTTP to Arrow: contract, fetch, parse, reject, replay. Independent of Dagster."""
