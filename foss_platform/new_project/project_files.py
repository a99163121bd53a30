"""The paths and contents of the files that `foss init` writes. This module itself writes nothing."""

import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path, PurePosixPath

_HERE = Path(__file__).resolve().parent
_TEMPLATE = _HERE / "template"
_DBT_PROJECT = (_HERE / "dbt_project").resolve()
_PAGES = _HERE.parent / "defs"

_EXAMPLE_PAGE = "stavanger_parking"
#: A name that all files of the example's models and tests contain.
_OF_THE_EXAMPLE = "parking"
_PAGES_OF_EVERY_PROJECT = ("dbt", "operations", "platform_health")
#: Folders and files of the dbt project that every project needs.
_DBT_OF_EVERY_PROJECT = ("dbt_project.yml", "profiles.yml", "macros/foss_platform.sql", "models/sources/ops.yml")
_NOT_SOURCES = frozenset({"target", "logs", "dbt_packages", "__pycache__"})
#: Files whose names get a dot in a project. Here they have none, because setuptools leaves hidden files out.
_HIDDEN = ("gitignore", "dockerignore")


def project_name(folder: Path) -> str:
    """Return the name of a project in this folder: lower case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-") or "lakehouse"


def project_files(name: str, *, example: bool) -> dict[PurePosixPath, bytes]:
    """For each path in a new project, return the file's content.

    Parameters
    ----------
    name
        The project's name (`project_name`).
    example
        Whether to include the parking example: its page, recording, models, tests and documentation.
    """
    found: dict[PurePosixPath, bytes] = {}
    for path, file in _files(_TEMPLATE):
        if example or _OF_THE_EXAMPLE not in path.as_posix():
            shown = path.with_name(f".{path.name}") if path.name in _HIDDEN else path
            found[shown] = _filled(file.read_text(encoding="utf-8"), name).encode()
    part = PurePosixPath("README.parking.md")
    if example:
        found[PurePosixPath("README.md")] += b"\n" + found.pop(part)
    for page in (*_PAGES_OF_EVERY_PROJECT, *([_EXAMPLE_PAGE] if example else [])):
        for path, file in _files(_PAGES / page):
            found["defs" / PurePosixPath(page) / path] = file.read_bytes()
    for path, content in dbt_files(example=example).items():
        found["dbt_project" / path] = content
    return dict(sorted(found.items()))


def dbt_files(*, example: bool) -> dict[PurePosixPath, bytes]:
    """For each path in a new dbt project, return the file's content."""
    found = {}
    for path, file in _files(_DBT_PROJECT):
        is_example = _OF_THE_EXAMPLE in path.as_posix()
        is_common = any(path.is_relative_to(common) for common in _DBT_OF_EVERY_PROJECT)
        if example if is_example else is_common:
            found[path] = file.read_bytes()
    if not example:
        settings = PurePosixPath("dbt_project.yml")
        # all variables belong to the example, so remove them
        found[settings] = re.sub(rb"^vars:\n(?:[ ].*\n)+\n", b"", found[settings], flags=re.MULTILINE)
    return found


def _filled(text: str, name: str) -> str:
    return text.replace("@NAME@", name).replace("@VERSION@", version("foss-platform"))


def _files(folder: Path) -> Iterator[tuple[PurePosixPath, Path]]:
    """Yield the source files below a folder, each with its path in the folder."""
    for file in sorted(folder.rglob("*")):
        path = PurePosixPath(file.relative_to(folder).as_posix())
        if file.is_file() and not _NOT_SOURCES & set(path.parts) and not path.name.startswith("."):
            yield path, file
