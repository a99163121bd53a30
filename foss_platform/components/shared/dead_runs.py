"""Finds runs whose process was killed, marks them as failed and frees their pool slots, so that they are retried.

Dagster's default run launcher does not detect that a run's process has died together with its code server. Such a run
stays STARTED and keeps its pools, so every later run would wait forever.
"""

import multiprocessing
import os
import time
from collections.abc import Iterator

import dagster as dg

from foss_platform.process_marks import Marks

#: Run tag: the mark of the process that executes the run.
PROCESS_TAG = "foss/process"

_LAUNCHED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_UNFINISHED = [dg.DagsterRunStatus.NOT_STARTED, *_LAUNCHED]
_REASON = "The process of this run was killed, or its host went down. Its pool slots are free again."
# a finished run needs some time to write logs and to shut down before its process may be killed
_ENDING_SECONDS = 30.0


def fail_dead_runs(instance: dg.DagsterInstance, marks: Marks, location: str | None = None) -> list[str]:
    """Mark the runs whose process has ended as failed and free their slots. Returns their ids.

    Parameters
    ----------
    location
        Name of this code location. Its launched runs without a process mark are judged too: such a run is dead if every
        living code server was started after its launch. With None, launched runs without a mark are skipped.
    """
    dead = []
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
        if not _is_dead(instance, marks, run, location):
            continue
        # the run may have succeeded in the meantime: a process records the result before it ends
        now = instance.get_run_by_id(run.run_id)
        if now is None or now.is_finished:
            continue
        instance.report_run_failed(now, _REASON)
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        dead.append(run.run_id)
    return dead


def _is_dead(instance: dg.DagsterInstance, marks: Marks, run: dg.DagsterRun, location: str | None) -> bool:
    address = run.tags.get(PROCESS_TAG)
    if address is not None and "@" in address:
        # earlier versions wrote the process's number and start instead of a mark
        return not _is_running(address)
    if address is not None:
        return marks.is_dead(address) is True
    origin = run.remote_job_origin
    if run.status not in _LAUNCHED or origin is None or origin.location_name != location:
        return False
    # the run's process has not made its mark. Its code server was alive at the launch, so the run is dead if every
    # living code server was started later
    stats = instance.get_run_stats(run.run_id)
    launched = getattr(stats, "launch_time", None) or getattr(stats, "start_time", None)
    return launched is not None and all(mark.started > launched for mark in marks.living() if mark.serves)


def _is_running(address: str) -> bool:
    try:
        os.kill(int(address.partition("@")[0]), 0)
    except PermissionError:
        return True
    except (ProcessLookupError, ValueError):
        return False
    return True


def end_finished_runs(instance: dg.DagsterInstance, marks: Marks) -> Iterator[str]:
    """Kill the processes of this code server whose run ended a while ago. Yields the runs' ids.

    A run that exceeds its maximum runtime is interrupted and then marked as failed. A hanging process that cannot be
    interrupted would otherwise keep its memory forever.
    """
    children = {child.pid: child for child in multiprocessing.active_children()}
    for mark in marks.living():
        child = children.get(mark.process)
        if child is None or not mark.run:
            continue
        record = instance.get_run_record_by_id(mark.run)
        if record is None or not record.dagster_run.is_finished:
            continue
        if record.end_time is not None and time.time() - record.end_time > _ENDING_SECONDS:
            child.kill()
            yield mark.run
