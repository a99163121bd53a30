"""Where the servers' programs are, and which versions are wanted. Not here: getting or starting them."""

import os
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
DOCKER = ROOT / "docker"
REST_CATALOG_SUMS = DOCKER / "rest-catalog" / "SHA256SUMS"
TRINO = DOCKER / "trino"


class Missing(Exception):  # noqa: N818  # it is what the user reads
    """Something that cannot be had, in one line that names it and the remedy."""


def versions() -> dict[str, Any]:
    """The pins of `docker/versions.toml`."""
    return tomllib.loads((DOCKER / "versions.toml").read_text())


def cache_folder() -> Path:
    """The folder that keeps what was fetched; outside of the checkout, so that `make clean` leaves it."""
    if chosen := os.environ.get("FOSS_SERVICES_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "foss-platform" / "services"


def postgres_programs() -> Path:
    """The folder of the newest Postgres that is installed.

    Raises
    ------
    Missing
        When there is none, or it is too old.
    """
    wanted = int(versions()["postgres"]["minimum"])
    # Debian and Ubuntu keep each major version in a folder of its own, and none of them on the PATH
    found = {
        int(major): folder
        for folder in Path("/usr/lib/postgresql").glob("*/bin")
        if (major := folder.parent.name).isdecimal() and (folder / "initdb").exists()
    }
    if not found or max(found) < wanted:
        has = f"only {max(found)}" if found else "none"
        raise Missing(f"Postgres {wanted} or newer is missing ({has} is installed): apt-get install postgresql")
    return found[max(found)]
