"""The files of a dbt project: their fingerprint, copying them, and comparing them with a copy."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from foss_platform.errors import ConfigurationError
from foss_platform.transform.dbt_package import PACKAGE, PACKAGE_NAME, package_files

PROJECT_FILE = "dbt_project.yml"
#: Folders without source files of the project: dbt, git and Python write to them.
_NOT_OURS = frozenset({"target", "logs", ".git", "__pycache__", ".venv"})
#: The platform's package is not a file of the project: it is a link in the project, and a folder in a copy.
_PACKAGE = Path("dbt_packages") / PACKAGE_NAME


def fingerprint(project: Path) -> str:
    """Return a hash of all files of a project, of the platform's package and of the versions that parse them.

    The hash has 64 hexadecimal digits.

    Raises
    ------
    ConfigurationError
        If the folder contains no dbt project, or a file that cannot be read.
    """
    if not (project / PROJECT_FILE).is_file():
        raise ConfigurationError(f"There is no dbt project in {project}.", "Check FOSS_DBT_PROJECT.")
    digest = hashlib.sha256()
    for package in ("dbt-core", "dbt-adapters", "dbt-duckdb", "dbt-trino", "dagster-dbt"):
        digest.update(f"{package}={version(package)};".encode())
    for file in _files(project):
        digest.update(file.relative_to(project).as_posix().encode())
        try:
            digest.update(file.read_bytes())
        except OSError as error:
            raise ConfigurationError(f"{file} cannot be read ({error.strerror}).", "Check its permissions.") from None
    for file in package_files():
        digest.update(file.read_bytes())
    return digest.hexdigest()


def copy_files(project: Path, copy: Path) -> None:
    """Copy a project's files, and the platform's package that its macros call, to a new folder."""
    shutil.copytree(PACKAGE, copy / _PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    for file in _files(project):
        there = copy / file.relative_to(project)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, there)


def changed_files(project: Path, copy: Path) -> frozenset[str]:
    """Return the files that differ between a project and its copy, or are missing from one of them.

    The files are paths relative to the project, in POSIX form.
    """
    ours, theirs = ({file.relative_to(root).as_posix() for file in _files(root)} for root in (project, copy))
    same = {name for name in ours & theirs if (project / name).read_bytes() == (copy / name).read_bytes()}
    return frozenset((ours | theirs) - same)


def _files(project: Path) -> list[Path]:
    return sorted(_walk(project))


def _walk(project: Path) -> Iterator[Path]:
    # a project may name its folders freely, and may have snapshots, packages and functions, so read all folders
    for folder, folders, files in os.walk(project):
        here = Path(folder).relative_to(project)
        folders[:] = [name for name in folders if name not in _NOT_OURS and here / name != _PACKAGE]
        # hidden files belong to editors and dbt. An editor's lock file may be a broken link, which cannot be read
        shown = [Path(folder) / name for name in files if not name.startswith(".")]
        yield from (path for path in shown if path.is_file())
