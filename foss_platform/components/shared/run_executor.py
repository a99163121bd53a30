"""The executor of every job. It runs in process, after tagging the run with the process's mark.

See `process_marks` for the reason.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from foss_platform.components.shared.dead_runs import PROCESS_TAG
from foss_platform.process_marks import marks_of
from foss_platform.settings import load_settings


class _MarkedExecutor(dg.Executor):
    def __init__(self, inner: dg.Executor) -> None:
        self._inner = inner

    @property
    def retries(self) -> Any:
        """Return the retries of the inner executor."""
        return self._inner.retries

    @property
    def step_dependency_config(self) -> Any:
        """Return the setting of the inner executor."""
        return self._inner.step_dependency_config

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Tag the run with this process's mark, then execute it."""
        marks, run = marks_of(load_settings()), plan_context.dagster_run
        marks.note_run(run.run_id)
        plan_context.instance.add_run_tags(run.run_id, {PROCESS_TAG: marks.address()})
        yield from self._inner.execute(plan_context, execution_plan)


def _create(context: dg.InitExecutorContext) -> dg.Executor:
    create: Any = dg.in_process_executor.executor_creation_fn
    return _MarkedExecutor(create(context))


_schema: Any = dg.in_process_executor.config_schema
run_executor = dg.ExecutorDefinition(
    name="in_process",
    config_schema=_schema,
    executor_creation_fn=_create,
    description="Runs the steps one after the other in the run's process.",
)
