"""Deletes old runs with their events and logs, oldest first, by a retention policy.

See `components.operations` for the schedule. Dagster itself deletes old ticks (`retention` in `dagster.yaml`).

A run is retained while it has the latest materialization or check of an asset, however old the run is. The UI and
automation get their state of the asset from that run.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from sqlalchemy import text

_MATERIALIZATION = dg.DagsterEventType.ASSET_MATERIALIZATION
_CHECK = dg.DagsterEventType.ASSET_CHECK_EVALUATION
_BATCH = 100
#: The most runs deleted at once. One run took 0.14 s on a busy machine.
MAX_RUNS = 2_000


@dataclass(frozen=True)
class HistoryPolicy:
    """Days for which runs are retained after their end. Canceled runs are retained like failed runs."""

    keep_successful_days: int
    keep_failed_days: int


@dataclass
class Pruned:
    """Numbers of runs deleted and of old runs retained, and whether more runs are left to delete."""

    successful: int = 0
    failed: int = 0
    kept: int = 0
    more: bool = False


class _Latest:
    """The runs with the latest event of an asset or check. Read once, because later events only make runs obsolete."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        events = (instance.get_latest_materialization_event(key) for key in instance.get_asset_keys())
        self._materializations = {event.run_id for event in events if event is not None}
        self._checks: dict[dg.AssetCheckKey, str | None] = {}

    def is_in(self, run_id: str) -> bool:
        """Whether the run has the latest materialization of an asset or the latest verdict of a check."""
        return run_id in self._materializations or any(self._latest(key) == run_id for key in self._judged(run_id))

    def _judged(self, run_id: str) -> set[dg.AssetCheckKey]:
        records = self._instance.get_records_for_run(run_id, of_type=_CHECK).records
        events = [record.event_log_entry.dagster_event for record in records]
        return {event.asset_check_evaluation_data.asset_check_key for event in events if event is not None}

    def _latest(self, key: dg.AssetCheckKey) -> str | None:
        if key not in self._checks:
            self._checks[key] = next(self._verdicts(key), None)
        return self._checks[key]

    def _verdicts(self, key: dg.AssetCheckKey) -> Iterator[str]:
        """Yield runs with a verdict, newest first. A run that only planned the check is not the latest."""
        cursor = None
        while records := self._instance.event_log_storage.get_asset_check_execution_history(
            key, limit=_BATCH, cursor=cursor
        ):
            yield from (r.run_id for r in records if r.event is not None and r.event.dagster_event_type == _CHECK)
            cursor = records[-1].id


def prune_history(
    instance: dg.DagsterInstance, policy: HistoryPolicy, now: datetime, max_runs: int = MAX_RUNS
) -> Pruned:
    """Delete finished runs that are older than the policy allows.

    Parameters
    ----------
    now
        The moment from which ages are counted (UTC).
    max_runs
        The most runs to delete. The next call continues with the rest.
    """
    latest, pruned = _Latest(instance), Pruned()
    succeeded = [dg.DagsterRunStatus.SUCCESS]
    failed = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    for statuses, days in ((succeeded, policy.keep_successful_days), (failed, policy.keep_failed_days)):
        old = dg.RunsFilter(statuses=statuses, updated_before=now - timedelta(days=days))
        gone = 0
        for run_id in _oldest_first(instance, old, latest, pruned):
            if pruned.successful + pruned.failed + gone == max_runs:
                pruned.more = True
                break
            _delete(instance, run_id)
            gone += 1
        if statuses is succeeded:
            pruned.successful = gone
        else:
            pruned.failed = gone
    return pruned


def _oldest_first(instance: dg.DagsterInstance, old: dg.RunsFilter, latest: _Latest, pruned: Pruned) -> Iterator[str]:
    """Yield deletable runs. Each query starts at the oldest run, because a cursor at a deleted run finds nothing."""
    kept: set[str] = set()
    while True:
        records = instance.get_run_records(old, limit=_BATCH + len(kept), ascending=True)
        fresh = [record.dagster_run.run_id for record in records if record.dagster_run.run_id not in kept]
        if not fresh:
            return
        for run_id in fresh:
            if latest.is_in(run_id):
                kept.add(run_id)
                pruned.kept += 1
            else:
                yield run_id


def _delete(instance: dg.DagsterInstance, run_id: str) -> None:
    instance.delete_run(run_id)
    # Dagster does not delete the run's check verdicts (1.8 KB each, 40 MB a day for one pipeline), logs and file itself
    _delete_verdicts(instance, run_id)
    manager: Any = instance.compute_log_manager
    manager.delete_logs(prefix=[run_id])
    for file in _event_files(instance, run_id):
        with suppress(FileNotFoundError):
            file.unlink()


def _delete_verdicts(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete a run's check verdicts. Dagster has no call for this. `test_run_history.py` detects schema changes."""
    connection_of = getattr(instance.event_log_storage, "index_connection", None)
    if connection_of is not None:
        with connection_of() as connection:
            connection.execute(text("delete from asset_check_executions where run_id = :run_id"), {"run_id": run_id})


def _event_files(instance: dg.DagsterInstance, run_id: str) -> list[Path]:
    """Return the SQLite files of the run's events. Empty if another database stores the events."""
    path_for_shard = getattr(instance.event_log_storage, "path_for_shard", None)
    if path_for_shard is None:
        return []
    return [Path(f"{path_for_shard(run_id)}{ending}") for ending in ("", "-wal", "-shm", "-journal")]
