"""Checks of the engine that builds silver and gold, as set in `FOSS_ENGINE`.

Each engine is a class with these two checks, chosen by the setting.
"""

from collections.abc import Mapping
from typing import Protocol

from foss_platform.engine import Engine
from foss_platform.validation.checks.duckdb_engine import DuckdbEngine
from foss_platform.validation.checks.trino_engine import TrinoEngine
from foss_platform.validation.results import Check, Finding, Service
from foss_platform.validation.trial import Trial


class EngineProbe(Protocol):
    """The checks of an engine."""

    def starts(self, trial: Trial) -> Finding:
        """The engine runs, its version is supported, and it accepts its settings."""

    def reads_lake(self, trial: Trial) -> Finding:
        """The engine answers a query over the probe, in the way that models read tables."""


# an engine that is added to the setting must be added here
_ENGINES: Mapping[Engine, EngineProbe] = {Engine.DUCKDB: DuckdbEngine(), Engine.TRINO: TrinoEngine()}


def engine_starts(trial: Trial) -> Finding:
    """Run the check of the configured engine."""
    return _ENGINES[trial.settings.engine].starts(trial)


def engine_reads_lake(trial: Trial) -> Finding:
    """Run the check of the configured engine."""
    return _ENGINES[trial.settings.engine].reads_lake(trial)


def _not_read(trial: Trial) -> str:
    if trial.bucket is not None:
        return "Check that the engine reaches the store, and the address, region and key that it is configured with."
    if trial.settings.engine is Engine.TRINO:
        return "Check that every node of Trino has the warehouse at the same path and can read it."
    return "Check the owner and permissions of the warehouse's folder."


STARTS = Check(
    "engine_starts",
    Service.ENGINE,
    "The engine starts with its settings and extensions.",
    engine_starts,
    lambda trial: f"Check FOSS_ENGINE and the settings FOSS_{trial.settings.engine.upper()}_….",
)
READS = Check(
    "engine_reads_lake",
    Service.ENGINE,
    "The engine answers a query over a table of the lake.",
    engine_reads_lake,
    _not_read,
    needs=("engine_starts", "lake_commits"),
)
