"""Paths of the servers' programs, and their pinned versions."""

import os
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
DOCKER = ROOT / "docker"
REST_CATALOG_SUMS = DOCKER / "rest-catalog" / "SHA256SUMS"
TRINO = DOCKER / "trino"


class Missing(Exception):  # noqa: N818  # the user reads it
    """A program that cannot be found or fetched. The message is one line with the remedy."""


def versions() -> dict[str, Any]:
    """Return the pins of `docker/versions.toml`."""
    return tomllib.loads((DOCKER / "versions.toml").read_text())


def cache_folder() -> Path:
    """Return the cache folder, which is outside the checkout so that `make clean` keeps it."""
    if chosen := os.environ.get("FOSS_SERVICES_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "foss-platform" / "services"


def postgres_programs() -> Path:
    """Return the program folder of the newest installed Postgres.

    Raises
    ------
    Missing
        If Postgres is missing or too old.
    """
    wanted = int(versions()["postgres"]["minimum"])
    # Debian and Ubuntu install each major version in a separate folder that is not on the PATH
    found = {
        int(major): folder
        for folder in Path("/usr/lib/postgresql").glob("*/bin")
        if (major := folder.parent.name).isdecimal() and (folder / "initdb").exists()
    }
    if not found or max(found) < wanted:
        has = f"only {max(found)}" if found else "none"
        raise Missing(f"Postgres {wanted} or newer is missing ({has} is installed). Run apt-get install postgresql")
    return found[max(found)]
