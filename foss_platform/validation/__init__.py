"""Validation of the services: whether each does what the platform asks of it, in the environment as configured.

What belongs here: one module a kind of service, each a few small checks, and the suite that runs them. What does
not: how results are shown (`cli.operate.validate`, `components.platform_health`). It leaves nothing behind.
"""
