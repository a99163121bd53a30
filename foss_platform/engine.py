"""The engines that build silver and gold. Nothing else, so that a command's options load no settings."""

from enum import StrEnum


class Engine(StrEnum):
    """What builds silver and gold, and answers queries."""

    DUCKDB = "duckdb"
    TRINO = "trino"
