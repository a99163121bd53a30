"""Validates the configured services: whether each service does what the platform needs.

There is one module of small checks per kind of service, and a suite that runs them. Everything written is removed
again. See `cli.operate.validate` and `components.platform_health` for how results are shown.
"""
