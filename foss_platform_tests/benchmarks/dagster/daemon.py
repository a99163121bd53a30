"""Runs the daemon and the code location, and measures the scheduled runs."""

import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from foss_platform_tests.benchmarks.dagster.timeline import committed_between
from foss_platform_tests.benchmarks.ingest.polls import PIPELINE
from foss_platform_tests.benchmarks.measure import BenchmarkError, environment, in_own_process
from foss_platform_tests.repository import PROJECT_ROOT

_GOLD = ("parking_latest", "parking_hourly", "parking_feed_health")
_SECONDS_PER_TICK = 150
_TICK_TAG = "foss/tick"


def wait_for_ticks(folder: Path, home: Path, feed: dict[str, str], count: int) -> list[dict[str, float]]:
    """Wait for the given number of ticks, and return the seconds to each stage, by tick."""
    more = {**feed, "DAGSTER_HOME": str(home / "dagster")}
    command = [str(Path(sys.executable).with_name("dagster-daemon")), "run", "-w", str(PROJECT_ROOT / "workspace.yaml")]
    with (folder / "daemon.log").open("w") as log:
        # a process group of its own, so that the code server ends with the daemon
        daemon = subprocess.Popen(
            command, cwd=PROJECT_ROOT, env=environment(more), stdout=log, stderr=log, start_new_session=True
        )
        try:
            return _ended_ticks(folder, home, count, daemon)
        finally:
            _end(daemon)


def _ended_ticks(folder: Path, home: Path, count: int, daemon: "subprocess.Popen[bytes]") -> list[dict[str, float]]:
    deadline = time.monotonic() + 60 + count * _SECONDS_PER_TICK
    while time.monotonic() < deadline and daemon.poll() is None:
        runs = in_own_process(folder, scheduled_runs, home).value
        if failed := [run for run in runs if run["status"] == "FAILURE"]:
            raise BenchmarkError(f"Scheduled run {failed[0]['id']} failed; the daemon's folder is {home / 'dagster'}.")
        done = [run for run in runs if run["status"] == "SUCCESS"]
        if len(done) >= count:
            return [_stages(home, run) for run in done[-count:]]
        time.sleep(5)
    raise BenchmarkError(f"The schedule did not run {count} times:\n{(folder / 'daemon.log').read_text()[-3000:]}")


def scheduled_runs(home: str) -> list[dict[str, Any]]:
    """Return the schedule's runs, oldest first, with their times in seconds since the epoch."""
    import dagster as dg

    os.environ["DAGSTER_HOME"] = f"{home}/dagster"
    with dg.DagsterInstance.get() as instance:
        records = instance.get_run_records(dg.RunsFilter(job_name=PIPELINE), ascending=True)
        return [
            {
                "id": record.dagster_run.run_id,
                "status": record.dagster_run.status.value,
                "tick": datetime.fromisoformat(record.dagster_run.tags[_TICK_TAG]).timestamp(),
                "created": record.create_timestamp.timestamp(),
                "started": record.start_time,
                "ended": record.end_time,
            }
            for record in records
            if _TICK_TAG in record.dagster_run.tags
        ]


def _stages(home: Path, run: dict[str, Any]) -> dict[str, float]:
    tick, ended = run["tick"], run["ended"] + 1
    gold = [moment for name in _GOLD for moment in committed_between(home, f"gold.{name}", tick, ended)]
    bronze = committed_between(home, f"bronze.{PIPELINE}", tick, ended)
    return {
        "gold": max(gold) - tick,
        "until the daemon has created the run": run["created"] - tick,
        "until its process has started and imported its modules": run["started"] - run["created"],
        "until the poll is committed to bronze": bronze[0] - run["started"],
        "until gold is committed": max(gold) - bronze[0],
        "until the end of the run": run["ended"] - max(gold),
    }


def _end(daemon: "subprocess.Popen[bytes]") -> None:
    for how in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(daemon.pid, how)
            daemon.wait(timeout=20)
        except (ProcessLookupError, PermissionError):
            return
        except subprocess.TimeoutExpired:
            continue
    daemon.wait()
