"""The folders that dbt uses for a home.

dbt writes only to `<home>/dbt`, so that the checkout stays clean and two homes do not interfere.
"""

from pathlib import Path

from foss_platform.engine import Engine
from foss_platform.settings import Settings


def dbt_folder(settings: Settings) -> Path:
    """Return the home's folder for dbt, with its target and log folders."""
    return settings.home / "dbt"


def target_folder(settings: Settings) -> Path:
    """Return the folder of the parsed copies of the project. Each engine has its own, because manifests differ."""
    return dbt_folder(settings) / ("target" if settings.engine is Engine.DUCKDB else f"target-{settings.engine}")
