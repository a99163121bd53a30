"""The sensor that watches runs: it marks dead runs as failed, ends hanging runs, and checks the queue."""

import json

import dagster as dg

from foss_platform.components.platform_health import verdict
from foss_platform.components.shared.check_evaluations import evaluation_of
from foss_platform.components.shared.dead_runs import end_finished_runs, fail_dead_runs
from foss_platform.components.shared.loading import Platform
from foss_platform.process_marks import marks_of
from foss_platform.validation.checks.dagster_queue import QUEUE_MOVES, judge_queue
from foss_platform.validation.results import Result, Service, Status

_INTERVAL_SECONDS = 15


def run_sensor(platform: Platform) -> dg.SensorDefinition:
    """Return the sensor that checks unfinished runs four times a minute.

    The sensor also runs if automation is off, because manual runs can be killed, too.
    """

    @dg.sensor(
        name="fail_dead_runs",
        target=None,
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Marks runs whose process was killed as failed, ends runs that hang, and watches the queue.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        instance, marks = context.instance, marks_of(platform.settings)
        origin = context.code_location_origin
        dead = fail_dead_runs(instance, marks, None if origin is None else origin.location_name)
        ended = list(end_finished_runs(instance, marks))
        for words, runs in (
            ("its process had ended", dead),
            ("it had finished, and its hanging process was killed", ended),
        ):
            for run in runs:
                context.log.warning("Run %s: %s.", run, words)
        _tell_of_queue(context)
        return dg.SkipReason(
            f"Dead runs marked as failed: {len(dead)}." if dead else "The process of every run is alive."
        )

    return sensor


def _tell_of_queue(context: dg.SensorEvaluationContext) -> None:
    """Report a change of the queue as a check, without a run, because a run would wait in the same queue."""
    finding = judge_queue(context.instance)
    known = json.loads(context.cursor or "{}").get("queue")
    if finding.status == (known or Status.PASSED):
        return
    result = Result(QUEUE_MOVES, Service.DAGSTER, finding.status, 0.0, finding.detail, finding.remedy, finding.blocks)
    context.instance.report_runless_asset_event(evaluation_of(verdict(result)))
    context.update_cursor(json.dumps({"queue": finding.status}))
