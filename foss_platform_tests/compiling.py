"""Compiles a text of SQL and macros for an engine, as dbt does for an analysis."""

from foss_platform.errors import ConfigurationError
from foss_platform.settings import Settings
from foss_platform.transform.handover import RunInput
from foss_platform.transform.project.invoke import DbtFolders, first_lines, invoke
from foss_platform.transform.project.parsed import prepare_project
from foss_platform.transform.project.run_folder import run_folder
from foss_platform.transform.results import failure_of_engine


def compiled(settings: Settings, text: str) -> str:
    """Return the compiled SQL for the engine of the settings. Nothing is built.

    Raises
    ------
    ConfigurationError
        If it does not compile.
    FossError
        If Trino, which macros query, fails.
    """
    project = prepare_project(settings)
    with run_folder(project.folder) as target:
        folders = DbtFolders(project.files, target)
        outcome = invoke(
            RunInput(settings, project.manifest_file), folders, ["compile", "--inline", text], lambda _: None
        )
    if not outcome.success:
        raise failure_of_engine(settings, str(outcome.exception)) or ConfigurationError(
            f"The text does not compile: {first_lines(outcome.exception)}"
        )
    sql: str = outcome.result.results[0].node.compiled_code
    return sql
