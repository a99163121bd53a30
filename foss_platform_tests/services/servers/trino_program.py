"""Fetches Trino's server from Maven Central and removes unused plugins."""

import hashlib
import shutil
from pathlib import Path

from foss_platform_tests.services.servers.cache import kept, run
from foss_platform_tests.services.servers.programs import TRINO, Missing, versions
from foss_platform_tests.services.servers.toolchain import run_maven

_SUMS = TRINO / "SHA256SUMS"
_PLUGINS = TRINO / "plugins.txt"


def trino() -> Path:
    """Return the folder of the installed Trino.

    Raises
    ------
    Missing
        If it cannot be downloaded, or differs from `SHA256SUMS`.
    """
    return kept("trino", [_SUMS, _PLUGINS], _fetch_trino)


def wanted_plugins() -> set[str]:
    """Return the names of the plugins to keep."""
    return {line for line in _PLUGINS.read_text().splitlines() if line and not line.startswith("#")}


def _fetch_trino(folder: Path) -> None:
    wanted, name = _SUMS.read_text().split()
    run_maven(
        "Downloading Trino from Maven Central (820 MB, once)",
        [
            f"{versions()['maven']['copier']}:copy",
            f"-Dartifact=io.trino:trino-server:{versions()['trino']['version']}:tar.gz",
            f"-DoutputDirectory={folder}",
            "-Dmdep.useBaseVersion=true",
        ],
        folder,
    )
    packed = folder / name
    with packed.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != wanted:
            raise Missing(f"{name} differs from {_SUMS.name}. Do not use it")
    # as a whole, because files shared by two plugins are stored once, as a link
    run(
        "Unpacking Trino",
        ["tar", "--extract", "--gzip", "--no-same-owner", "--strip-components=1", f"--file={packed}"],
        remedy="Check that 3 GB are free in the home folder",
        environment={},
        folder=folder,
    )
    packed.unlink()
    for plugin in (folder / "plugin").iterdir():
        if plugin.name not in wanted_plugins():
            shutil.rmtree(plugin)
    if missing := wanted_plugins() - {plugin.name for plugin in (folder / "plugin").iterdir()}:
        raise Missing(f"Trino has no plugin {', '.join(sorted(missing))}. Correct docker/trino/{_PLUGINS.name}")
