"""The project that commands use: a folder with the pages, models and settings of a team.

A project is what Dagster's `dg` calls one: its `pyproject.toml` has `[tool.dg] directory_type = "project"`, and
`[tool.dg.project]` names the Python module that contains the pages. The checkout of this package is one such project.
"""

import tomllib
from pathlib import Path
from typing import Any

from foss_platform.errors import ConfigurationError

#: The folder that contains this package. It is a project if the package is installed from a checkout in editable mode.
_CHECKOUT = Path(__file__).resolve().parent.parent

_FILE = "pyproject.toml"


def find_project() -> Path:
    """Return the nearest project at or above the current folder, otherwise the checkout of this package.

    Raises
    ------
    ConfigurationError
        If there is none, or if a `pyproject.toml` on the way is not TOML.
    """
    here = Path.cwd()
    for folder in (here, *here.parents, _CHECKOUT):
        if is_project(folder):
            return folder
    raise ConfigurationError(
        f"There is no project in {here} or above it.",
        "Change to the folder of a project, set FOSS_PROJECT to it, or create one with `foss init`.",
    )


def is_project(folder: Path) -> bool:
    """Return whether the folder is a project.

    Raises
    ------
    ConfigurationError
        If its `pyproject.toml` is not TOML.
    """
    return _dg(folder).get("directory_type") == "project"


def pages_folder(project: Path) -> Path:
    """Return the folder of a project's pages, found in the same way as `dg` finds it.

    Raises
    ------
    ConfigurationError
        If `[tool.dg.project]` does not name a folder of the project.
    """
    keys = _dg(project).get("project", {})
    module = keys.get("defs_module") or f"{keys.get('root_module')}.defs"
    base = project / "src" if (project / "src").exists() else project
    folder = base.joinpath(*str(module).split("."))
    if not folder.is_dir():
        raise ConfigurationError(
            f"The pages of the project should be in {folder}, which is not a folder.",
            f"Create it, or correct root_module or defs_module under [tool.dg.project] in {project / _FILE}.",
        )
    return folder


def _dg(folder: Path) -> dict[str, Any]:
    file = folder / _FILE
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not TOML: {error}.", "Correct it.") from None
    dg: dict[str, Any] = found.get("tool", {}).get("dg", {})
    return dg
