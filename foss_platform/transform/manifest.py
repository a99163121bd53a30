"""dbt's manifest of the project: parses it once after each change of the project's files, and reads it."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from foss_platform.errors import ConfigurationError
from foss_platform.settings import Settings
from foss_platform.transform.dbt_folders import dbt_folder, manifest_file, target_folder
from foss_platform.transform.dbt_package import package_files
from foss_platform.transform.invoke import parse
from foss_platform.transform.supported.supported_dbt import Subset, supported_subset

#: Folders without source files of the project: dbt, git and Python write to them.
_NOT_OURS = frozenset({"target", "logs", ".git", "__pycache__", ".venv"})


def prepare_manifest(settings: Settings) -> Path:
    """Make sure that dbt's manifest is up to date with the project's files. Parse only if they have changed (3 to 5 s).

    If two processes start together, one waits for the other instead of parsing at the same time.

    Raises
    ------
    ConfigurationError
        If the project cannot be parsed.
    """
    manifest = manifest_file(settings)
    stamp = target_folder(settings) / "prepared"
    fingerprint = _fingerprint(settings)
    if _is_prepared(manifest, stamp, fingerprint):
        return manifest
    with _lock(dbt_folder(settings) / "prepare.lock"):
        if not _is_prepared(manifest, stamp, fingerprint):
            parse(settings)
            shutil.copyfile(target_folder(settings) / "manifest.json", manifest)
            stamp.write_text(fingerprint)
    return manifest


def read_manifest(settings: Settings) -> dict[str, Any]:
    """Return the prepared manifest."""
    manifest: dict[str, Any] = json.loads(prepare_manifest(settings).read_text())
    return manifest


def read_subset(settings: Settings, manifest: Mapping[str, Any]) -> Subset:
    """Return the part of the project that the platform supports, with lines of its files for messages."""
    lines: dict[str, str] = {}

    def text_of(file: str) -> str:
        if file not in lines:
            try:
                lines[file] = (settings.dbt_project / file).read_text(errors="replace")
            except OSError:
                # the file of a package, which is stored elsewhere
                lines[file] = ""
        return lines[file]

    return supported_subset(manifest, text_of)


def is_prepared(settings: Settings) -> bool:
    """Return whether the manifest is up to date with the project's files, so that reading it does not parse."""
    return _is_prepared(manifest_file(settings), target_folder(settings) / "prepared", _fingerprint(settings))


def _is_prepared(manifest: Path, stamp: Path, fingerprint: str) -> bool:
    return manifest.exists() and stamp.exists() and stamp.read_text() == fingerprint


def _fingerprint(settings: Settings) -> str:
    digest = hashlib.sha256()
    for package in ("dbt-core", "dbt-adapters", "dbt-duckdb", "dbt-trino", "dagster-dbt"):
        digest.update(f"{package}={version(package)};".encode())
    # all files: a project may name its folders freely, and may have snapshots, packages and functions besides models
    files = sorted(_project_files(settings.dbt_project))
    if not (settings.dbt_project / "dbt_project.yml").is_file():
        raise ConfigurationError(f"There is no dbt project in {settings.dbt_project}.", "Check FOSS_DBT_PROJECT.")
    for file in files:
        digest.update(str(file.relative_to(settings.dbt_project)).encode())
        digest.update(file.read_bytes())
    for file in package_files():
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _project_files(project: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(project):
        folders[:] = [name for name in folders if name not in _NOT_OURS]
        # hidden files belong to editors and dbt; an editor's lock file may be a broken link
        shown = [Path(folder) / name for name in files if not name.startswith(".")]
        yield from (path for path in shown if path.is_file())


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
