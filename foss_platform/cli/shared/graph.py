"""Runs a job of the asset graph in this process and returns its results as plain values."""

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from foss_platform.cli.shared.instance import open_instance
from foss_platform.cli.shared.terminal import messages
from foss_platform.errors import ConfigurationError
from foss_platform.settings import Settings

if TYPE_CHECKING:
    import dagster as dg


@dataclass(frozen=True)
class CheckVerdict:
    """One check's verdict: `passed`, `warning` or `failed`."""

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
        Metadata of each materialization in plain values, by asset (`namespace/table`).
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
        """Whether all was built: no step failed, no check of severity error, and the dbt project parses."""
        return self.success and not self.errors and all(check.verdict != "failed" for check in self.checks)


def run_job(settings: Settings, job_name: str) -> GraphRun:
    """Execute a job of the code location in this process, without daemon and UI."""
    quiet()
    from foss_platform.components.shared.dead_runs import PROCESS_TAG, settle_dead_runs
    from foss_platform.components.shared.loading import Platform
    from foss_platform.definitions import build_defs
    from foss_platform.process_marks import marks_of

    problem = _dbt_problem(settings)
    defs = build_defs(Platform(settings))
    if job_name not in {job.name for job in defs.jobs or ()}:
        raise problem or ConfigurationError(f"There is no job {job_name}.", "Add the page of dbt's models to `defs`.")
    job = defs.resolve_job_def(job_name)
    with open_instance(settings) as instance:
        marks = marks_of(settings)
        if dead := settle_dead_runs(instance, marks):
            messages().print(
                f"{len(dead)} earlier run{'s' if len(dead) > 1 else ''} had been killed, now marked as failed."
            )
        result = job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            tags={PROCESS_TAG: marks.address()},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        if any(_is_interrupted(event) for event in result.all_events):
            # Dagster reports Ctrl-C as a failed step
            raise KeyboardInterrupt
        summary = _summary(result, instance)
        return replace(summary, errors=[*summary.errors, str(problem)]) if problem is not None else summary


def _dbt_problem(settings: Settings) -> ConfigurationError | None:
    """Warn of nodes that are not built as dbt would build them. Return the problem of a project that does not parse."""
    from foss_platform.transform.project.manifest import manifest_of, read_subset
    from foss_platform.transform.project.parsed import prepare_project

    try:
        project = prepare_project(settings)
    except ConfigurationError as error:
        return error
    subset = read_subset(project, manifest_of(project))
    for remark in (*subset.notices, *subset.held_back.values()):
        messages().print(f"[yellow]warning:[/] {escape(str(remark))}", soft_wrap=True)
    if project.problem is None:
        return None
    return ConfigurationError(
        f"{project.problem} The version that parsed last was built.", f"Correct it in {settings.dbt_project}."
    )


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
    stats = instance.get_run_stats(result.run_id)
    seconds = (stats.end_time or 0) - (stats.start_time or 0)
    return GraphRun(result.run_id, result.success, seconds, metadata, checks, errors)


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
