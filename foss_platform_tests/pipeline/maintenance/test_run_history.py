"""Pruning Dagster's history on a real instance: old runs are deleted, displayed results are kept."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import text

from foss_platform.cli.shared.instance import prepare_dagster_home
from foss_platform.components.runs.run_history import HistoryPolicy, prune_history
from foss_platform.components.shared.loading import Platform
from foss_platform.definitions import build_defs
from foss_platform.settings import Settings

POLICY = HistoryPolicy(keep_successful_days=3, keep_failed_days=30)

pytestmark = pytest.mark.filterwarnings("ignore:Parameter `", "ignore:sqlglotrs", "ignore:Class `")


@pytest.fixture
def instance(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance on disk, configured as `foss` does it."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("DAGSTER_HOME", str(prepare_dagster_home(settings)))
    with dg.DagsterInstance.get() as made:
        yield made


@dg.multi_asset(specs=[dg.AssetSpec("thing")], check_specs=[dg.AssetCheckSpec("sound", asset="thing")])
def thing(context: dg.AssetExecutionContext) -> Any:
    """An asset that fails if the run is tagged to fail."""
    if "fails" in context.run.tags:
        raise dg.Failure("as asked")
    yield dg.MaterializeResult("thing", check_results=[dg.AssetCheckResult(passed=True, check_name="sound")])


def run_of(instance: dg.DagsterInstance, *, fails: bool = False) -> str:
    job = dg.Definitions(assets=[thing], jobs=[dg.define_asset_job("things", [thing])]).resolve_job_def("things")
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    tags = {"fails": "true"} if fails else {}
    return job.execute_in_process(run_config=quiet, instance=instance, tags=tags, raise_on_error=False).run_id


def run_ids(instance: dg.DagsterInstance) -> set[str]:
    return {record.dagster_run.run_id for record in instance.get_run_records()}


def judging_runs(instance: dg.DagsterInstance) -> set[str]:
    """Return the runs with stored check results, by SQL because Dagster has no call for this."""
    storage: Any = instance.event_log_storage
    with storage.index_connection() as connection:
        return {row[0] for row in connection.execute(text("select run_id from asset_check_executions"))}


def test_old_runs_are_deleted_except_the_latest_of_each_asset(instance: dg.DagsterInstance) -> None:
    oldest, newest, failed = run_of(instance), run_of(instance), run_of(instance, fails=True)
    now = datetime.now(UTC)
    assert prune_history(instance, POLICY, now + timedelta(days=2)).successful == 0
    assert run_ids(instance) == {oldest, newest, failed}
    events = Path(instance.root_directory) / "history" / "runs" / f"{oldest}.db"
    assert events.exists()
    # `newest` holds the latest materialization, and the latest verdict too: `failed` only planned one
    pruned = prune_history(instance, POLICY, now + timedelta(days=4))
    assert (pruned.successful, pruned.failed, pruned.kept, pruned.more) == (1, 0, 1, False)
    assert run_ids(instance) == {newest, failed}
    assert not list(Path(instance.root_directory).rglob(f"*{oldest}*"))
    assert judging_runs(instance) == {newest, failed}
    pruned = prune_history(instance, POLICY, now + timedelta(days=31))
    assert (pruned.successful, pruned.failed, pruned.kept) == (0, 1, 1)
    assert run_ids(instance) == {newest}
    event = instance.get_latest_materialization_event(dg.AssetKey("thing"))
    assert event is not None
    assert event.run_id == newest


def test_run_in_progress_is_kept_and_the_limit_holds(instance: dg.DagsterInstance) -> None:
    runs = [run_of(instance) for _ in range(4)]
    job = dg.Definitions(assets=[thing]).resolve_implicit_global_asset_job_def()
    started = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED).run_id
    later = datetime.now(UTC) + timedelta(days=400)
    pruned = prune_history(instance, POLICY, later, max_runs=2)
    assert (pruned.successful, pruned.more) == (2, True)
    assert run_ids(instance) == {*runs[2:], started}
    assert prune_history(instance, POLICY, later, max_runs=2).more is False
    assert run_ids(instance) == {runs[3], started}


def test_the_job_prunes_the_instance_that_it_runs_on(instance: dg.DagsterInstance, parsed_settings: Settings) -> None:
    oldest, newest = run_of(instance), run_of(instance)
    defs = build_defs(Platform(parsed_settings, clock=lambda: datetime.now(UTC) + timedelta(days=40)))
    result = defs.resolve_job_def("prune_history").execute_in_process(instance=instance)
    assert result.success
    assert run_ids(instance) == {newest, result.run_id}
    assert oldest not in run_ids(instance)
    messages = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert any(message.startswith("1 successful and 0 failed runs deleted. 1 retained") for message in messages)


def test_ticks_are_kept_by_policy(instance: dg.DagsterInstance) -> None:
    retention: Any = instance.get_settings("retention")
    assert retention["sensor"]["purge_after_days"] == {"skipped": 1, "success": 3, "failure": 30, "started": 3}
