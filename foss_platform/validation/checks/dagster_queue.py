"""The check of Dagster's queue: waiting runs must be started."""

import time
from typing import TYPE_CHECKING

from foss_platform.validation.results import Finding, failed, passed

if TYPE_CHECKING:
    from dagster import DagsterInstance, RunRecord

QUEUE_MOVES = "dagster_queue_moves"
REMEDY = "In Dagster's UI, end the runs that hang. Check that the daemon and the code location are up."
#: The longest time without progress in the queue. A run may wait for a rebuild, which takes minutes, so it is long.
_STILL_SECONDS = 15 * 60


def judge_queue(instance: "DagsterInstance", seconds: float = _STILL_SECONDS) -> Finding:
    """Fail if a run has waited for `seconds` while no other run started or ended."""
    from dagster import DagsterRunStatus, RunsFilter

    waiting = instance.get_run_records(RunsFilter(statuses=[DagsterRunStatus.QUEUED]), limit=1, ascending=True)
    if not waiting:
        return passed("no run is waiting")
    now = time.time()
    others = [status for status in DagsterRunStatus if status is not DagsterRunStatus.QUEUED]
    latest = instance.get_run_records(RunsFilter(statuses=others), limit=20, order_by="update_timestamp")
    waited = now - waiting[0].create_timestamp.timestamp()
    still = min([waited, *(now - moment for moment in map(_moved, latest) if moment is not None)])
    count = instance.get_runs_count(RunsFilter(statuses=[DagsterRunStatus.QUEUED]))
    if still < seconds:
        return passed(f"{count} runs are waiting, the first for {max(0, waited):,.0f} s")
    under_way = instance.get_runs(
        RunsFilter(statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.CANCELING]), limit=3
    )
    what = ", ".join(f"{run.job_name} {run.run_id[:8]}" for run in under_way) or "none"
    return failed(
        f"{count} runs are waiting, and no run has started or ended for {still / 60:,.0f} minutes. In progress: {what}",
        REMEDY,
    )


def _moved(record: "RunRecord") -> float | None:
    """Return when the run last started or ended, in seconds since the epoch."""
    return record.end_time or record.start_time
