"""The Dagster instance of a home: its folder, its configuration, and opening it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from foss_platform.dagster_yaml import write_configuration
from foss_platform.errors import ConfigurationError, TransientError
from foss_platform.settings import Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance


def dagster_folder(settings: Settings) -> Path:
    """Return the home's Dagster folder, or the folder set by the user."""
    return Path(os.environ.get("DAGSTER_HOME") or settings.dagster_home)


def prepare_dagster_home(settings: Settings) -> Path:
    """Create the home's Dagster folder and set `DAGSTER_HOME` to it, unless the user has set `DAGSTER_HOME`."""
    folder = dagster_folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    write_configuration(folder)
    os.environ["DAGSTER_HOME"] = str(folder)
    return folder


def open_instance(settings: Settings) -> "DagsterInstance":
    """Open the instance that the UI and daemon of this home also use, so that they show manual runs.

    Raises
    ------
    ConfigurationError
        If the instance's folder cannot be written. Dagster also stores files there on its own.
    TransientError
        If the instance's storage cannot be opened.
    """
    from dagster import DagsterInstance

    folder = prepare_dagster_home(settings)
    try:
        return DagsterInstance.get()
    except Exception as error:
        # the storages raise errors of SQLAlchemy, of a driver, or of Dagster
        require_writable(folder)
        raise storage_failure(folder, error) from error


def storage_failure(folder: Path, error: Exception) -> TransientError:
    """Return the error for a Dagster storage that cannot be opened."""
    first = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    return TransientError(
        f"Dagster's storage ({folder}) cannot be opened: {type(error).__name__}: {first}.",
        "Check that the storage named in its dagster.yaml is running, or that its files are not damaged.",
    )


def require_writable(folder: Path) -> None:
    """Create a folder of the home if it does not exist.

    Raises
    ------
    ConfigurationError
        If the folder cannot be written.
    OSError
        If the folder cannot be created.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"{folder} cannot be written.", "Check its owner and permissions, or set FOSS_HOME to another folder."
        )
