"""The dbt analysis over the reference tables, compiled for an engine. Not here: running what comes of it."""

from foss_platform.settings import Settings
from foss_platform.transform.project import prepare_manifest, target_folder
from foss_platform.transform.runner import _invoke

_NAME = "sites_without_reference"


def compiled(settings: Settings) -> str:
    """Its SQL as the engine of the settings takes it."""
    prepare_manifest(settings)
    outcome = _invoke(settings, ["compile", "--select", _NAME], lambda _: None, {})
    assert outcome.success, outcome.exception
    (file,) = (target_folder(settings) / "compiled").rglob(f"{_NAME}.sql")
    return file.read_text()
