"""Trino's server from Maven Central, less the plugins that are not used. Not here: its settings, or starting it."""

import hashlib
import shutil
from pathlib import Path

from foss_platform_tests.services.servers.cache import kept, run
from foss_platform_tests.services.servers.programs import TRINO, Missing, versions
from foss_platform_tests.services.servers.toolchain import run_maven

_SUMS = TRINO / "SHA256SUMS"
_PLUGINS = TRINO / "plugins.txt"


def trino() -> Path:
    """The folder that Trino is installed in.

    Raises
    ------
    Missing
        When it cannot be had, or is not the one of `SHA256SUMS`.
    """
    return kept("trino", [_SUMS, _PLUGINS], _fetch_trino)


def wanted_plugins() -> set[str]:
    """The names of the plugins that are kept."""
    return {line for line in _PLUGINS.read_text().splitlines() if line and not line.startswith("#")}


def _fetch_trino(folder: Path) -> None:
    wanted, name = _SUMS.read_text().split()
    run_maven(
        "Trino from Maven Central (820 MB, once)",
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
            raise Missing(f"Not the {name} of {_SUMS.name}: do not use it")
    # whole: what is the same in two plugins is packed once, as a link
    run(
        "Trino, unpacked",
        ["tar", "--extract", "--gzip", "--no-same-owner", "--strip-components=1", f"--file={packed}"],
        remedy="are 3 GB free in the home folder?",
        environment={},
        folder=folder,
    )
    packed.unlink()
    for plugin in (folder / "plugin").iterdir():
        if plugin.name not in wanted_plugins():
            shutil.rmtree(plugin)
    if missing := wanted_plugins() - {plugin.name for plugin in (folder / "plugin").iterdir()}:
        raise Missing(f"Trino has no plugin {', '.join(sorted(missing))}: put docker/trino/{_PLUGINS.name} right")
