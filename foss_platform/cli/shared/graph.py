"""Runs a job of the asset graph in this process and returns its results as plain values."""

import logging
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from foss_platform.cli.shared.instance import open_instance
from foss_platform.cli.shared.terminal import messages
from foss_platform.errors import ConfigurationError
from foss_platform.lake.table.names import TableName
from foss_platform.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

    from foss_platform.ingest.page.feed import Feed


@dataclass(frozen=True)
class CheckVerdict:
    """One check's verdict: `passed`, `warning`, `failed` or `not run`."""

    asset: str
    check: str
    verdict: str
    description: str


@dataclass(frozen=True)
class GraphRun:
    """The results of a run.

    Attributes
    ----------
    metadata
        For each asset (`namespace/table`): the metadata of its materialization, in plain values.
    errors
        Why steps failed or the dbt project does not parse, in the platform's own messages.
    """

    run_id: str
    success: bool
    seconds: float
    metadata: Mapping[str, Mapping[str, Any]]
    checks: list[CheckVerdict] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def works(self) -> bool:
        """Whether everything was built: no step and no check of severity error failed, and the dbt project parses."""
        return self.success and not self.errors and all(check.verdict != "failed" for check in self.checks)


def run_job(
    settings: Settings,
    job_name: str,
    tables: Collection[TableName] = (),
    notices: Sequence[str] = (),
    problem: str = "",
) -> GraphRun:
    """Execute a job of the code location in this process, without daemon and UI.

    Parameters
    ----------
    tables
        The job's assets to materialize. Empty: all.
    notices
        Warnings to print once the definitions are loaded.
    problem
        Why the dbt project does not parse. It becomes an error of the run.

    Raises
    ------
    ConfigurationError
        If there is no such job.
    """
    quiet()
    import dagster as dg

    from foss_platform.components.shared.loading import Platform
    from foss_platform.definitions import build_defs

    defs = build_defs(Platform(settings))
    if job_name not in {job.name for job in defs.jobs or ()}:
        raise ConfigurationError(
            f"The code location has no job {job_name}.", "Add the page of dbt's models (`defs/dbt/defs.yaml`)."
        )
    job = defs.resolve_job_def(job_name)
    for notice in notices:
        messages().print(f"[yellow]warning:[/] {escape(notice)}", soft_wrap=True)
    run = _execute(settings, job, [dg.AssetKey(list(table.identifier)) for table in tables] or None)
    return replace(run, errors=[*run.errors, problem]) if problem else run


def run_polls(settings: Settings, feeds: "Sequence[Feed]") -> GraphRun:
    """Poll feeds once, without models, and commit their polls together. Loads neither the other pages nor dbt."""
    quiet()
    from foss_platform.components.rest_feed import polls_job
    from foss_platform.components.shared.loading import Platform

    return _execute(settings, polls_job(feeds, Platform(settings)), None)


def _execute(settings: Settings, job: "dg.JobDefinition", selection: "list[dg.AssetKey] | None") -> GraphRun:
    from foss_platform.components.shared.dead_runs import PROCESS_TAG, fail_dead_runs
    from foss_platform.process_marks import marks_of

    with open_instance(settings) as instance:
        marks = marks_of(settings)
        if dead := fail_dead_runs(instance, marks):
            messages().print(
                f"{len(dead)} earlier run{'s' if len(dead) > 1 else ''} had been killed, now marked as failed."
            )
        result = job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            asset_selection=selection,
            tags={PROCESS_TAG: marks.address()},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        if any(_is_interrupted(event) for event in result.all_events):
            # Dagster reports Ctrl-C as a failed step, so raise it again
            raise KeyboardInterrupt
        return _summary(result, instance)


def quiet() -> None:
    """Silence library messages meant for developers. Users see the platform's messages."""
    warnings.filterwarnings("ignore", module=r"(dagster|dbt|pyiceberg).*")
    for name in ("dagster", "dbt", "pyiceberg"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _summary(result: "dg.ExecuteInProcessResult", instance: "dg.DagsterInstance") -> GraphRun:
    metadata: dict[str, dict[str, Any]] = {}
    checks, errors = [], []
    for event in result.all_events:
        if event.event_type_value == "ASSET_MATERIALIZATION":
            materialization = event.step_materialization_data.materialization
            values = {key: getattr(value, "value", None) for key, value in materialization.metadata.items()}
            metadata["/".join(materialization.asset_key.path)] = values
        elif event.event_type_value == "ASSET_CHECK_EVALUATION":
            evaluation = event.asset_check_evaluation_data
            bad = "warning" if evaluation.severity.value == "WARN" else "failed"
            checks.append(
                CheckVerdict(
                    "/".join(evaluation.asset_key.path),
                    evaluation.check_name,
                    "passed" if evaluation.passed else bad,
                    evaluation.description or "",
                )
            )
        elif event.event_type_value == "STEP_FAILURE":
            errors.append(_step_error(event))
    checks += _not_run(instance, result.run_id, {(check.asset, check.check) for check in checks})
    stats = instance.get_run_stats(result.run_id)
    seconds = (stats.end_time or 0) - (stats.start_time or 0)
    return GraphRun(result.run_id, result.success, seconds, metadata, checks, errors)


def _not_run(instance: "dg.DagsterInstance", run_id: str, judged: set[tuple[str, str]]) -> list[CheckVerdict]:
    """Return the planned checks of the run that have no verdict, because an earlier step failed."""
    from dagster import DagsterEventType

    planned = instance.get_records_for_run(run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED).records
    found = []
    for event in (record.event_log_entry.dagster_event for record in planned):
        if event is not None:
            data = event.asset_check_planned_data
            asset = "/".join(data.asset_key.path)
            if (asset, data.check_name) not in judged:
                found.append(CheckVerdict(asset, data.check_name, "not run", "something before it failed"))
    return found


def _is_interrupted(event: Any) -> bool:
    error = event.step_failure_data.error if event.event_type_value == "STEP_FAILURE" else None
    while error is not None:
        if error.cls_name in ("KeyboardInterrupt", "DagsterExecutionInterruptedError"):
            return True
        error = error.cause
    return False


def _step_error(event: Any) -> str:
    data = event.step_failure_data
    if data.user_failure_data is not None:
        return str(data.user_failure_data.description)
    return str(data.error.message).strip() if data.error else str(event.message)
