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
    """Return dbt's target folder. Each engine has its own, or dbt would parse the project again at each switch."""
    return dbt_folder(settings) / ("target" if settings.engine is Engine.DUCKDB else f"target-{settings.engine}")


def manifest_file(settings: Settings) -> Path:
    """Return the path of the parsed manifest.

    It is a copy. Every build overwrites dbt's own manifest, which then contains only the macros that ran in the build.
    The logic hash of a table would differ from one build to the next.
    """
    return target_folder(settings) / "parsed.json"
