"""The sensor that watches runs: it ends the process of a run that hangs, and reports a queue that does not move."""

import multiprocessing
import time
import uuid
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import dagster as dg
import pytest
import time_machine

from foss_platform.components.platform_health import PLATFORM_HEALTH_ASSET
from foss_platform.components.runs.run_sensor import run_sensor
from foss_platform.components.shared.dead_runs import end_finished_runs
from foss_platform.components.shared.loading import Platform
from foss_platform.process_marks import Marks
from foss_platform.settings import Settings
from foss_platform.validation.checks.dagster_queue import QUEUE_MOVES, judge_queue
from foss_platform.validation.results import Status


@dg.op
def waits() -> None:
    """An op that a test never runs."""


@dg.job
def waiting() -> None:
    """The job of a run that hangs or waits."""
    waits()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def _hangs(folder: Path, run_id: str, ready: Connection) -> None:
    Marks(folder).note_run(run_id)
    ready.send(None)
    # both ends stay referenced: a pipe whose other end is collected ends at once, and so would this process
    reader, writer = multiprocessing.Pipe()
    reader.recv()
    writer.close()


@pytest.mark.parametrize("ended", [True, False])
def test_the_process_of_a_run_that_was_ended_is_killed(
    instance: dg.DagsterInstance, tmp_path: Path, *, ended: bool
) -> None:
    run = instance.create_run_for_job(waiting)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_hangs, args=(tmp_path / "processes", run.run_id, theirs))
    process.start()
    try:
        assert ours.poll(240)
        instance.report_engine_event("The run starts.", run)
        if ended:
            # what the daemon does when a run exceeds dagster/max_runtime
            instance.report_run_failed(run, "Exceeded maximum runtime of 1800 seconds.")
        marks = Marks(tmp_path / "processes")
        assert list(end_finished_runs(instance, marks)) == []
        with time_machine.travel(time.time() + 60):
            assert list(end_finished_runs(instance, marks)) == ([run.run_id] if ended else [])
        if ended:
            process.join(30)
        assert process.is_alive() is not ended
    finally:
        process.kill()
        process.join()


def _queue(instance: dg.DagsterInstance) -> dg.DagsterRun:
    # Dagster has no public way to queue a run without a code location that is served
    from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("foss_platform"), "__repository__")
    run = dg.DagsterRun(
        job_name=waiting.name,
        run_id=str(uuid.uuid4()),
        status=dg.DagsterRunStatus.QUEUED,
        remote_job_origin=RemoteJobOrigin(repository, waiting.name),
    )
    return instance.run_storage.add_run(run)


def test_a_queue_that_does_not_move_fails(instance: dg.DagsterInstance) -> None:
    assert judge_queue(instance).status is Status.PASSED
    _queue(instance)
    assert judge_queue(instance).status is Status.PASSED
    with time_machine.travel(time.time() + 16 * 60):
        finding = judge_queue(instance)
    assert finding.status is Status.FAILED
    assert "1 runs are waiting, and no run has started or ended for 16 minutes. In progress: none" in finding.detail


def test_a_queue_from_which_runs_are_started_passes(instance: dg.DagsterInstance) -> None:
    _queue(instance)
    with time_machine.travel(time.time() + 14 * 60):
        other = instance.create_run_for_job(waiting)
        instance.report_run_failed(other, "It ended.")
    with time_machine.travel(time.time() + 16 * 60):
        assert judge_queue(instance).status is Status.PASSED


def test_the_sensor_reports_the_queue_once_per_change(instance: dg.DagsterInstance, settings: Settings) -> None:
    sensor = run_sensor(Platform(settings))
    cursor: str | None = None

    def evaluate() -> None:
        nonlocal cursor
        with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
            cursor = sensor.evaluate_tick(context).cursor or cursor

    def verdicts() -> list[bool]:
        key = dg.AssetCheckKey(PLATFORM_HEALTH_ASSET, QUEUE_MOVES)
        history = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
        return [
            record.event.dagster_event.asset_check_evaluation_data.passed
            for record in history
            if record.event is not None and record.event.dagster_event is not None
        ]

    evaluate()
    assert verdicts() == []
    queued = _queue(instance)
    with time_machine.travel(time.time() + 16 * 60):
        evaluate()
        evaluate()
    assert verdicts() == [False]
    instance.report_run_canceled(queued)
    evaluate()
    assert verdicts() == [True, False]
