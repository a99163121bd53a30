"""Checks of Dagster: its storage answers, its daemon is running. Dagster is imported late."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from foss_platform.dagster_yaml import configuration_lacks
from foss_platform.settings import Environment, Switch
from foss_platform.validation.checks.dagster_queue import QUEUE_MOVES, REMEDY, judge_queue
from foss_platform.validation.results import Check, Finding, Service, failed, passed, skipped, warning
from foss_platform.validation.trial import Trial

if TYPE_CHECKING:
    from dagster import DagsterInstance

# Dagster's daemons report every 30 s, but during a long evaluation they report later
_LATE_SECONDS, _DEAD_SECONDS = 120, 300


def dagster_storage_answers(trial: Trial) -> Finding:
    """Dagster's storage can count the runs."""
    folder = _home(trial)
    if trial.instance is None and not (folder / "dagster.yaml").exists():
        if trial.settings.environment is Environment.PRODUCTION and trial.settings.automation is Switch.ON:
            return failed(
                f"there is no dagster.yaml in {folder}",
                "Set DAGSTER_HOME to the folder with the instance's dagster.yaml (docker/dagster has one).",
            )
        return skipped(f"there is no instance at {folder} yet", blocks=True)
    with _instance(trial) as instance:
        runs = instance.get_runs_count()
        # the package shows the kind: dagster is SQLite or memory, dagster_postgres is Postgres
        package = type(instance.event_log_storage).__module__.partition(".")[0]
        memory = instance.is_ephemeral
    kind = "memory" if memory else {"dagster": "SQLite", "dagster_postgres": "Postgres"}.get(package, package)
    return passed(f"{kind} has {runs:,} runs ({folder})" if trial.instance is None else f"{kind} has {runs:,} runs")


def dagster_daemon_beats(trial: Trial) -> Finding:
    """Each daemon that the instance needs has reported recently."""
    if trial.settings.automation is Switch.OFF:
        return skipped("automation is off, so nothing needs the daemon")
    with _instance(trial) as instance:
        needed = set(instance.get_required_daemon_types())
        beats = instance.get_daemon_heartbeats()
    if not needed:
        return skipped("an instance in memory has no daemon")
    # a local lake is also used without the daemon
    verdict = failed if trial.settings.environment is Environment.PRODUCTION else warning
    absent = sorted(needed - beats.keys())
    if absent:
        return verdict(f"Dagster's daemon has never run: no heartbeat of {', '.join(absent)}", _start(trial))
    ages = {name: time.time() - beats[name].timestamp for name in needed}
    oldest = max(ages, key=lambda name: ages[name])
    detail = f"the oldest of {len(ages)} heartbeats is {max(0, ages[oldest]):,.0f} s old ({oldest})"
    if ages[oldest] > _DEAD_SECONDS:
        return verdict(f"Dagster's daemon is not running: {detail}", _start(trial))
    troubled = sorted(name for name in needed if beats[name].errors)
    if troubled:
        return warning(f"{detail}. Errors are reported by {', '.join(troubled)}", "Read the daemon's log.")
    if ages[oldest] > _LATE_SECONDS:
        return warning(f"Dagster's daemon is late: {detail}", "Check whether a sensor or schedule takes minutes.")
    return passed(detail)


def dagster_queue_moves(trial: Trial) -> Finding:
    """Waiting runs are started."""
    with _instance(trial) as instance:
        beats = instance.get_daemon_heartbeats().values()
        if trial.instance is None and not any(time.time() - beat.timestamp < _DEAD_SECONDS for beat in beats):
            return skipped("no daemon is running that would start waiting runs")
        return judge_queue(instance)


def dagster_configuration_current(trial: Trial) -> Finding:
    """The file dagster.yaml has the settings that the platform needs."""
    if not (_home(trial) / "dagster.yaml").exists():
        return skipped("there is no dagster.yaml yet")
    lacking = configuration_lacks(_home(trial))
    if lacking:
        return warning(
            f"{_home(trial) / 'dagster.yaml'} lacks {'; '.join(lacking)}",
            "Add it as in docker/dagster/dagster.yaml, and restart Dagster.",
        )
    return passed("all settings that the platform needs are set")


@contextmanager
def _instance(trial: Trial) -> Iterator["DagsterInstance"]:
    if trial.instance is not None:
        # the caller's instance, which the caller closes
        yield trial.instance()
        return
    from dagster import DagsterInstance

    with DagsterInstance.from_config(str(_home(trial))) as instance:
        yield instance


def _home(trial: Trial) -> Path:
    return Path(os.environ.get("DAGSTER_HOME") or trial.settings.dagster_home)


def _start(trial: Trial) -> str:
    if trial.settings.environment is Environment.PRODUCTION:
        return "Start the service dagster-daemon."
    return "Start it with `foss dev`."


def _storage_remedy(trial: Trial) -> str:
    """Return the remedy for the storage that dagster.yaml configures. Dagster's default is SQLite in its home."""
    folder = _home(trial)
    try:
        configured = (folder / "dagster.yaml").read_text()
    except OSError:
        configured = ""
    if "postgres" in configured:
        return "Check that Dagster's Postgres is running and reachable. Check DAGSTER_HOME and DAGSTER_PASSWORD."
    return f"Check the owner, permissions and free space of {folder}, or restore it from a backup."


CHECKS = (
    Check(
        "dagster_storage_answers",
        Service.DAGSTER,
        "Dagster's storage answers.",
        dagster_storage_answers,
        _storage_remedy,
    ),
    Check(
        QUEUE_MOVES,
        Service.DAGSTER,
        "Waiting runs are started.",
        dagster_queue_moves,
        REMEDY,
        needs=("dagster_storage_answers",),
    ),
    Check(
        "dagster_configuration_current",
        Service.DAGSTER,
        "Dagster's configuration has the settings that the platform needs.",
        dagster_configuration_current,
        "Compare dagster.yaml with docker/dagster/dagster.yaml.",
    ),
    Check(
        "dagster_daemon_beats",
        Service.DAGSTER,
        "Dagster's daemon is running, if automation is on.",
        dagster_daemon_beats,
        _start,
        needs=("dagster_storage_answers",),
    ),
)
