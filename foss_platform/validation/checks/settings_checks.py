"""Checks of the settings and of the home. See `settings` for reading them."""

import os
import shutil
import tempfile
from pathlib import Path

from foss_platform.validation.results import Check, Finding, Service, failed, passed, skipped, warning
from foss_platform.validation.trial import Trial

#: The name of this check. A configuration that cannot be read is reported under the same name.
SETTINGS_WHOLE = "settings_whole"

_GIBIBYTE = 2**30


def settings_are_whole(trial: Trial) -> Finding:
    """In production, missing settings are an error before any check. Elsewhere they may be intended."""
    from foss_platform.catalog_configuration import catalog_problems

    settings = trial.settings
    if not (settings.dbt_project / "dbt_project.yml").exists():
        return failed(
            f"{settings.dbt_project} does not contain a dbt project",
            "Set FOSS_DBT_PROJECT to the folder that contains dbt_project.yml.",
        )
    detail = (
        f"{settings.environment}, catalog on {trial.kind}{' (embedded)' if trial.is_embedded else ''}, "
        f"engine {settings.engine}, automation {settings.automation}"
    )
    if not trial.is_embedded and (problems := catalog_problems(trial.properties)):
        return warning(f"{detail}. {'; '.join(problems)}", "docs/OPERATIONS.md lists each setting.")
    return passed(detail)


def home_is_writable(trial: Trial) -> Finding:
    """The home can be written: Dagster and dbt store files there, and by default DuckDB spills there."""
    home = trial.settings.home
    if not home.exists():
        above = next(folder for folder in home.parents if folder.exists())
        if not (above.is_dir() and os.access(above, os.W_OK | os.X_OK)):
            return failed(
                f"{home} cannot be created: {above} cannot be written", "Create it, or set FOSS_HOME to another folder."
            )
        return skipped(f"{home} does not exist yet. The first run creates it")
    try:
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(b"probe")
    except OSError as error:
        return failed(
            f"{home} cannot be written: {error.strerror}",
            "Check its owner, permissions and free disk space.",
        )
    return space_of(home, "FOSS_HOME")


def space_of(folder: Path, what: str) -> Finding:
    """Return a finding about the free space on the disk of a folder."""
    place = next(part for part in (folder, *folder.parents) if part.exists())
    usage = shutil.disk_usage(place)
    free = f"{usage.free / _GIBIBYTE:,.1f} of {usage.total / _GIBIBYTE:,.1f} GiB are free at {folder}"
    if usage.free < _GIBIBYTE / 2:
        return failed(free, f"Free some space on the disk of {what}.")
    if usage.free < 5 * _GIBIBYTE:
        return warning(free, f"Free some space on the disk of {what}.")
    return passed(free)


CHECKS = (
    Check(
        SETTINGS_WHOLE,
        Service.SETTINGS,
        "All settings that the platform needs are set.",
        settings_are_whole,
        "docs/OPERATIONS.md lists each setting.",
    ),
    Check(
        "home_writable",
        Service.SETTINGS,
        "The home can be written and has free space.",
        home_is_writable,
        "Check FOSS_HOME, and the owner and permissions of that folder.",
    ),
)
