"""The folders in which dbt works for a home.

Everything that dbt writes lies under `<home>/dbt`, so that the checkout stays clean and two homes do
not disturb each other.
"""

from pathlib import Path

from foss_platform.engine import Engine
from foss_platform.settings import Settings


def dbt_folder(settings: Settings) -> Path:
    """The home's folder for dbt: target and logs."""
    return settings.home / "dbt"


def target_folder(settings: Settings) -> Path:
    """dbt's target folder: one an engine, or dbt would parse the whole project anew at each switch."""
    return dbt_folder(settings) / ("target" if settings.engine is Engine.DUCKDB else f"target-{settings.engine}")


def manifest_file(settings: Settings) -> Path:
    """The manifest as parsed.

    A copy, since every build writes dbt's own anew, with the macros that happened to run in it, and the
    logic that tables are said to be built with would differ from one build to the next.
    """
    return target_folder(settings) / "parsed.json"
