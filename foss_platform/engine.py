"""The engines that build silver and gold.

A module of its own, so that a command can list its options without loading the settings.
"""

from enum import StrEnum


class Engine(StrEnum):
    """An engine that builds silver and gold and answers queries."""

    DUCKDB = "duckdb"
    TRINO = "trino"
