"""Invokes dbt in this process.

A build of six models takes 2.4 s in this process, but 12.8 s as a subprocess through `DbtCliResource`. The difference
is dbt's start-up, its version check and a second parse.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from foss_platform.engine import Engine
from foss_platform.errors import ConfigurationError, was_interrupted
from foss_platform.settings import Settings
from foss_platform.transform.dbt_folders import dbt_folder, target_folder
from foss_platform.transform.dbt_package import link_package
from foss_platform.transform.handover import Stop, dbt_with
from foss_platform.transform.results import failure_of_engine, node_result


def parse(settings: Settings) -> None:
    """Run `dbt parse`, which writes the manifest.

    Raises
    ------
    ConfigurationError
        If the project does not parse.
    """
    outcome = invoke(settings, ["parse"], lambda _: None)
    if not outcome.success:
        problem = f"The dbt project does not parse: {first_lines(outcome.exception).rstrip('.')}."
        raise ConfigurationError(problem, f"Correct the file named, in {settings.dbt_project}.")


def compiled(settings: Settings, text: str) -> str:
    """Return the compiled SQL of a text of SQL and macros for the engine of the settings. Nothing is built.

    Raises
    ------
    ConfigurationError
        If it does not compile.
    FossError
        If Trino, which macros query, fails.
    """
    outcome = invoke(settings, ["compile", "--inline", text], lambda _: None)
    if not outcome.success:
        raise failure_of_engine(settings, str(outcome.exception)) or ConfigurationError(
            f"The text does not compile: {first_lines(outcome.exception)}"
        )
    sql: str = outcome.result.results[0].node.compiled_code
    return sql


def invoke(
    settings: Settings,
    arguments: Sequence[str],
    report: Any,
    begin: Callable[[], Mapping[str, str]] = dict,
    stop: Stop | None = None,
) -> Any:
    """Run dbt. A Ctrl-C is raised as `KeyboardInterrupt`.

    On Trino, dbt runs with the environment variables that `begin` returns. `begin` is called when no other dbt runs.
    """
    from dbt.cli.main import dbtRunner

    def on_event(event: Any) -> None:
        if event.info.name == "NodeFinished":
            report(node_result(settings, event.data))

    settings.spill_directory.mkdir(parents=True, exist_ok=True)
    link_package(settings.dbt_project)
    common = [
        "--project-dir", str(settings.dbt_project),
        "--profiles-dir", str(settings.dbt_project),
        "--target", settings.engine.value,
        "--target-path", str(target_folder(settings)),
        "--log-path", str(dbt_folder(settings) / "logs"),
        "--log-level", "none",
        "--no-use-colors",
        "--no-send-anonymous-usage-stats",
        "--no-version-check",
    ]  # fmt: skip
    with dbt_with(settings, stop), _engine(settings, begin):
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
        from foss_platform.transform.trino_failures import noticed_in_time

        with variables_set({**profile_variables(settings), **begin()}), noticed_in_time():
            yield
        return
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    # dbt-duckdb keeps its database as long as the process lives, including views on old metadata
    DuckDBConnectionManager.close_all_connections()
    try:
        yield
    finally:
        DuckDBConnectionManager.close_all_connections()


def first_lines(error: BaseException | None) -> str:
    lines = [line.strip() for line in str(error or "unknown").splitlines() if line.strip()]
    return " ".join(lines[:4])
