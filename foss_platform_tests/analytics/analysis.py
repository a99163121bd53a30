"""The dbt analysis over the reference tables, compiled for an engine."""

from foss_platform.settings import Settings
from foss_platform_tests import compiling

_FILE = "analyses/parking/sites_without_reference.sql"


def compiled(settings: Settings) -> str:
    """Return the analysis' SQL for the engine of the settings."""
    return compiling.compiled(settings, (settings.dbt_project / _FILE).read_text())
