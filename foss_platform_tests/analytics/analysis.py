"""The dbt analysis over the reference tables, compiled for an engine. Not here: running what comes of it."""

from foss_platform.settings import Settings
from foss_platform.transform import invoke
from foss_platform.transform.manifest import prepare_manifest

_FILE = "analyses/parking/sites_without_reference.sql"


def compiled(settings: Settings) -> str:
    """Its SQL as the engine of the settings takes it."""
    prepare_manifest(settings)
    return invoke.compiled(settings, (settings.dbt_project / _FILE).read_text())
