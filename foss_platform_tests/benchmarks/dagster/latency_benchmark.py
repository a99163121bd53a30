"""Measures the seconds from a poll to gold: `foss run`, dbt in a warm process, and a tick of the daemon's schedule."""

import json
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

from foss_platform.cli.run.feed import EXCERPT
from foss_platform.ingest.recording.feed_server import FeedServer
from foss_platform.ingest.recording.recording import RecordedPoll, read_recording
from foss_platform.transform.project.parsed import prepare_project
from foss_platform.transform.runner import build
from foss_platform_tests.benchmarks.dagster.daemon import wait_for_ticks
from foss_platform_tests.benchmarks.dagster.timeline import last_commit
from foss_platform_tests.benchmarks.ingest.polls import PIPELINE, ingest
from foss_platform_tests.benchmarks.measure import Bench, BenchmarkError, in_own_process, run_command, settings_of
from foss_platform_tests.benchmarks.report import Figure, Report

_METHOD = """\
One poll of 9 records, which follows the included excerpt, is fetched over local HTTP. The lake already contains the \
excerpt and is built. Python's bytecode is already compiled. `foss run` is measured as a whole process, including \
checks, previews and pictures. The daemon's runs are started by the schedule and measured from the tick (a whole \
minute) to the last commit to gold."""

# `foss` with a time mark after each start-up phase. The early imports only move later imports forward.
_NOTING_FOSS = """
import json, sys, time
marks = {}
import foss_platform.definitions as definitions
import dbt.adapters.duckdb.connections, dbt.cli.main, foss_platform.components.dbt_models
marks["imports"] = time.time()
made = definitions.build_defs
def build_defs(platform):
    result = made(platform)
    marks["definitions"] = time.time()
    return result
definitions.build_defs = build_defs
file = sys.argv.pop(1)
from foss_platform.cli.main import run
try:
    run()
finally:
    marks["end"] = time.time()
    open(file, "w").write(json.dumps(marks))
"""


def run(bench: Bench) -> Report:
    """Run the benchmark."""
    rounds, ticks = bench.choose(5, 1), bench.choose(3, 1)
    home = bench.folder / "home"
    carried = list(read_recording(EXCERPT))
    ahead = 4 * rounds + 40
    in_own_process(bench.folder, prepare, home, ahead)
    with FeedServer(carried[-ahead:], pace="step") as server:
        feed = {"FOSS_HOME": str(home), "FOSS_FEED": "recorded", "STAVANGER_PARKING_URL": server.url}
        feed["FOSS_DUCKDB_MEMORY_LIMIT"] = "4GB"
        foss = [sys.executable, "-c", "from foss_platform.cli.main import run; run()", "run", PIPELINE]
        run_command(foss, bench.folder, feed)
        whole, stages = [], []
        for _ in range(rounds):
            whole.append(run_command(foss, bench.folder, feed)[1])
            stages.append(_stages(bench.folder, home, feed))
        daemon = wait_for_ticks(bench.folder, home, feed, ticks)
    warm = in_own_process(bench.folder, warm_builds, home, rounds).value
    figures = [
        Figure("foss run, from start to end of the process", whole, "s"),
        *(Figure(f"  {stage}", [found[stage] for found in stages], "s") for stage in stages[0]),
        Figure("dbt build of one new poll in a warm process", warm, "s", goal=2.5),
        Figure("schedule: from tick to gold", [tick["gold"] for tick in daemon], "s", goal=12),
        *(Figure(f"  {stage}", [tick[stage] for tick in daemon], "s") for stage in daemon[0] if stage != "gold"),
    ]
    return Report("latency", _METHOD, figures)


def prepare(home: str, ahead: int) -> None:
    """Load the excerpt without its last polls, and build."""
    settings = settings_of(home)
    ingest(settings, list(read_recording(EXCERPT))[:-ahead])
    prepare_project(settings)
    _build(home)


def warm_builds(home: str, rounds: int) -> list[float]:
    """Return the seconds of each build after the first in this process, each with one new poll in bronze."""
    polls = [poll for poll in read_recording(EXCERPT) if poll.http_status == 200 and not poll.synthetic]
    settings = settings_of(home)
    prepare_project(settings)
    seconds = []
    for number, poll in enumerate(islice(reversed(polls), rounds + 1)):
        moment = polls[-1].polled_at.replace(second=number + 1)
        ingest(settings, [RecordedPoll(moment, poll.body)])
        started = time.perf_counter()
        _build(home)
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


def _build(home: str) -> None:
    failed = [result for result in build(settings_of(home)) if result.status.is_failure]
    if failed:
        raise BenchmarkError(f"{failed[0].unique_id}: {failed[0].message}")


def _stages(folder: Path, home: Path, feed: dict[str, str]) -> dict[str, float]:
    """Return the seconds of each phase of a run, from a separate run with time marks."""
    marks_file = folder / "marks.json"
    command = [sys.executable, "-c", _NOTING_FOSS, str(marks_file), "run", PIPELINE]
    began, _ = run_command(command, folder, feed)
    marks: dict[str, Any] = json.loads(marks_file.read_text())
    bronze = last_commit(home, f"bronze.{PIPELINE}")
    log = last_commit(home, "ops.polls")
    gold = last_commit(home)
    return {
        "imports of Dagster, dbt, PyIceberg": marks["imports"] - began,
        "definitions": marks["definitions"] - marks["imports"],
        "Dagster's instance and run, the poll, its commit to bronze": bronze - marks["definitions"],
        "commit to the poll log": log - bronze,
        "previews and checks of bronze, dbt until the last commit to gold": gold - log,
        "dbt's last tests, asset metadata, Dagster's events, summary": marks["end"] - gold,
    }
