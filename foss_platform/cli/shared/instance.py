"""Dagster's instance of a home: its folder, its configuration, opening it. Not here: runs."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from foss_platform.dagster_yaml import write_configuration
from foss_platform.errors import ConfigurationError, PassingError
from foss_platform.settings import Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance


def dagster_folder(settings: Settings) -> Path:
    """The home's Dagster folder, or the one that the user has set."""
    return Path(os.environ.get("DAGSTER_HOME") or settings.dagster_home)


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the home's Dagster folder and point `DAGSTER_HOME` at it, unless the user has set one."""
    folder = dagster_folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    write_configuration(folder)
    os.environ["DAGSTER_HOME"] = str(folder)
    return folder


def open_instance(settings: Settings) -> "DagsterInstance":
    """The instance that the UI and the daemon of this home use too, so that a run by hand is seen there.

    Raises
    ------
    ConfigurationError
        When its folder cannot be written: Dagster keeps more there than it is asked to.
    PassingError
        When what it is stored in cannot be opened.
    """
    from dagster import DagsterInstance

    folder = prepare_dagster_home(settings)
    try:
        return DagsterInstance.get()
    except Exception as error:
        # what its storages raise is SQLAlchemy's, a driver's, or Dagster's own
        require_writable(folder)
        raise storage_failure(folder, error) from error


def storage_failure(folder: Path, error: Exception) -> PassingError:
    """What to tell the user when Dagster's storage cannot be opened."""
    first = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    return PassingError(
        f"Dagster's storage ({folder}) cannot be opened: {type(error).__name__}: {first}.",
        "Check the storage that dagster.yaml names there: that it is up, or that its files are whole.",
    )


def require_writable(folder: Path) -> None:
    """Make a folder of the home where it is not.

    Raises
    ------
    ConfigurationError
        When it cannot be written.
    OSError
        When it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"{folder} cannot be written.", "Check its owner and permissions, or set FOSS_HOME elsewhere."
        )
