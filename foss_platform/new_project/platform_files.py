"""The files of a project's dbt project that belong to the platform. They must equal those of the installed package.

An upgrade of the package does not touch a project. `foss check` names the files that differ, and `foss init --update`
writes them.
"""

from pathlib import Path, PurePosixPath

from foss_platform.new_project.project_files import dbt_files

_OWN = ("profiles.yml", "macros/foss_platform.sql")


def outdated_files(dbt_project: Path) -> dict[PurePosixPath, bytes]:
    """For each of the platform's files that is missing or different in a dbt project, return the correct content.

    Empty if the folder is not a dbt project: a project may have pages only.
    """
    if not (dbt_project / "dbt_project.yml").is_file():
        return {}
    return {
        path: content
        for path, content in dbt_files(example=False).items()
        if str(path) in _OWN and _content(dbt_project / path) != content
    }


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None
