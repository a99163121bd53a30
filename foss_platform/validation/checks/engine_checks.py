"""Checks of the engine that builds silver and gold, whichever `FOSS_ENGINE` says. Not here: what it builds.

Each engine is a class of its own with these two questions, found by its setting.
"""

from collections.abc import Mapping
from typing import Protocol

from foss_platform.engine import Engine
from foss_platform.validation.checks.duckdb_engine import DuckdbEngine
from foss_platform.validation.checks.trino_engine import TrinoEngine
from foss_platform.validation.results import Check, Finding, Service
from foss_platform.validation.trial import Trial


class EngineProbe(Protocol):
    """What is asked of an engine."""

    def starts(self, trial: Trial) -> Finding:
        """It is there, of a supported version, and takes its settings."""

    def reads_lake(self, trial: Trial) -> Finding:
        """It answers a query over the probe, by the way that models take."""


# an engine that is added to the setting is added here
_ENGINES: Mapping[Engine, EngineProbe] = {Engine.DUCKDB: DuckdbEngine(), Engine.TRINO: TrinoEngine()}


def engine_starts(trial: Trial) -> Finding:
    """Ask the engine that is set."""
    return _ENGINES[trial.settings.engine].starts(trial)


def engine_reads_lake(trial: Trial) -> Finding:
    """Ask the engine that is set."""
    return _ENGINES[trial.settings.engine].reads_lake(trial)


def _not_read(trial: Trial) -> str:
    if trial.bucket is not None:
        return "Check that the engine reaches the store: its address, region and key as the engine is given them."
    if trial.settings.engine is Engine.TRINO:
        return "Check that every node of Trino sees the warehouse at the same path and may read it."
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
