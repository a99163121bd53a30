"""Runs by hand whose process was killed: found by the next one, marked as failed, and what they held is given back.

The daemon watches over the runs that it launched; nobody watches over one in the user's own process. Left
alone it would hold its pools' slots, and the next run would wait for ever.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster import DagsterInstance

#: Run tag: the process that executes the run.
PROCESS_TAG = "foss/process"


def process_tag() -> dict[str, str]:
    """The tag of a run in this process."""
    return {PROCESS_TAG: _identity(os.getpid()) or str(os.getpid())}


def settle_dead_runs(instance: "DagsterInstance") -> int:
    """Fail the runs whose process is gone and free their slots; returns how many there were."""
    from dagster import DagsterRunStatus, RunsFilter

    unfinished = [DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED]
    dead = 0
    for run in instance.get_runs(RunsFilter(statuses=unfinished)):
        identity = run.tags.get(PROCESS_TAG)
        if identity is None or _identity(int(identity.partition("@")[0])) == identity:
            continue
        instance.report_run_failed(run, "Its process was killed.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        dead += 1
    return dead


def _identity(process: int) -> str | None:
    """Process id and start time, since ids come again; None where there is no such process."""
    try:
        # field 22 of proc(5)'s stat, counted behind the name, which may hold anything
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return f"{process}@{fields[19]}"
