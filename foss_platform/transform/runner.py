"""Running dbt in this process. What belongs here: invoking it and turning its events into plain results.

In process a build of six models takes 2.4 s, as a subprocess through `DbtCliResource` 12.8 s: what
it saves is dbt's start-up, its version check and a second parse.
"""

import json
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from foss_platform.engine import Engine
from foss_platform.errors import ConfigurationError, LastingError
from foss_platform.settings import Settings
from foss_platform.transform.handover import dbt_with
from foss_platform.transform.project import dbt_folder, manifest_file, target_folder


class NodeStatus(StrEnum):
    """How a node ended, in dbt's words."""

    SUCCESS = "success"
    PASS = "pass"  # noqa: S105  # not a password
    WARN = "warn"
    FAIL = "fail"
    ERROR = "error"
    SKIPPED = "skipped"
    NO_OP = "no-op"

    @property
    def is_failure(self) -> bool:
        """Whether the build as a whole has failed because of it."""
        return self in (NodeStatus.FAIL, NodeStatus.ERROR, NodeStatus.SKIPPED)


@dataclass(frozen=True)
class NodeResult:
    """What became of one node.

    Attributes
    ----------
    failures
        Rows that a test found; None for other nodes.
    message
        dbt's message, for tests and errors.
    """

    unique_id: str
    status: NodeStatus
    seconds: float
    failures: int | None
    message: str


def build(settings: Settings, selection: Sequence[str] = (), *, full_refresh: bool = False) -> Iterator[NodeResult]:
    """Run `dbt build` on nodes and yield each one's result as it ends.

    Parameters
    ----------
    selection
        Fully qualified names of nodes, and none but these; all nodes where empty.

    Raises
    ------
    LastingError
        When dbt itself failed, rather than one of its nodes.
    """
    arguments = ["build"]
    if selection:
        arguments += ["--select", *selection, "--indirect-selection", "empty"]
    if full_refresh:
        arguments.append("--full-refresh")
    results: queue.SimpleQueue[NodeResult | None] = queue.SimpleQueue()
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append(_invoke(settings, arguments, results.put))
        finally:
            results.put(None)

    worker = threading.Thread(target=work, name="dbt", daemon=True)
    worker.start()
    while (result := results.get()) is not None:
        if settings.engine is Engine.TRINO and result.status is NodeStatus.SUCCESS:
            from foss_platform.transform.trino_run import finish_table

            finish_table(settings, json.loads(manifest_file(settings).read_text()), result.unique_id)
        yield result
    worker.join()
    error = outcome[0].exception if outcome else None
    if error is not None or not outcome:
        raise LastingError(f"dbt could not run: {_first_lines(error)}", "See <home>/dbt/logs/dbt.log.")


def parse(settings: Settings) -> None:
    """Run `dbt parse`, which writes the manifest.

    Raises
    ------
    ConfigurationError
        When the project does not parse.
    """
    outcome = _invoke(settings, ["parse"], lambda _: None)
    if not outcome.success:
        raise ConfigurationError(f"The dbt project does not parse: {_first_lines(outcome.exception)}")


def _invoke(settings: Settings, arguments: Sequence[str], report: Any) -> Any:
    from dbt.cli.main import dbtRunner

    def on_event(event: Any) -> None:
        if event.info.name == "NodeFinished":
            report(_node_result(event.data))

    settings.spill_directory.mkdir(parents=True, exist_ok=True)
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
    with dbt_with(settings), _engine(settings, parsed=arguments[0] != "parse"):
        return dbtRunner(callbacks=[on_event]).invoke([*arguments, *common])


@contextmanager
def _engine(settings: Settings, *, parsed: bool) -> Iterator[None]:
    """What an engine wants before dbt runs on it, and after."""
    if settings.engine is Engine.TRINO:
        from foss_platform.transform.trino_run import handed_to_dbt, variables_set

        manifest = json.loads(manifest_file(settings).read_text()) if parsed else None
        with variables_set(handed_to_dbt(settings, manifest)):
            yield
        return
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    # dbt-duckdb keeps its database, and so views on old metadata, for as long as the process lives
    DuckDBConnectionManager.close_all_connections()
    try:
        yield
    finally:
        DuckDBConnectionManager.close_all_connections()


def _node_result(data: Any) -> NodeResult:
    run = data.run_result
    is_test = data.node_info.resource_type == "test"
    return NodeResult(
        unique_id=data.node_info.unique_id,
        status=NodeStatus(data.node_info.node_status),
        seconds=float(run.execution_time),
        failures=int(run.num_failures) if is_test else None,
        message=str(run.message),
    )


def _first_lines(error: BaseException | None) -> str:
    lines = [line.strip() for line in str(error or "unknown").splitlines() if line.strip()]
    return " ".join(lines[:4])
