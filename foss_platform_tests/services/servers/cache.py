"""Fills a folder of the cache once: created aside, checked, then moved into place as a whole."""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from foss_platform_tests.services.servers.programs import Missing, cache_folder


def kept(name: str, made_from: list[Path], make: Callable[[Path], None]) -> Path:
    """Return the cache folder of that name for these sources and this kind of machine. Create it if it is missing.

    Parameters
    ----------
    made_from
        Files that define the content. If one of them changes, another folder is created.
    make
        Function that fills the given empty folder.
    """
    folder = kept_folder(name, made_from)
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder
        aside = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder.parent))
        try:
            make(aside)
            aside.chmod(0o755)
            aside.rename(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return folder


def kept_folder(name: str, made_from: list[Path]) -> Path:
    """Return the path of the folder that `kept` creates."""
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in made_from)).hexdigest()[:12]
    return cache_folder() / f"{name}-{digest}-{platform.machine()}"


def run(what: str, command: list[str], *, remedy: str, environment: Mapping[str, str], folder: Path) -> str:
    """Run a program that downloads or builds, print what it does and for how long, and return its output.

    Raises
    ------
    Missing
        If the program fails or is not installed. The message has its last line and the remedy.
    """
    print(f"{what} ...", end=" ", flush=True)  # noqa: T201
    began = time.monotonic()
    try:
        ended = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        print("failed")  # noqa: T201
        raise Missing(f"{what}: {command[0]} is missing. {remedy}") from None
    if ended.returncode:
        print("failed")  # noqa: T201
        lines = [line for line in (ended.stdout + ended.stderr).splitlines() if line.strip()]
        raise Missing(f"{what}: {lines[-1].strip() if lines else f'exit code {ended.returncode}'}. {remedy}")
    print(f"{time.monotonic() - began:.0f} s")  # noqa: T201
    return ended.stdout
