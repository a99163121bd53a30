"""Measures `foss run` as a whole process: seconds and memory, to bronze and to gold, and those of the imports alone."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from foss_platform.cli.run.feed import EXCERPT
from foss_platform.ingest.recording.feed_server import FeedServer
from foss_platform.ingest.recording.recording import read_recording
from foss_platform_tests.benchmarks.dagster.latency_benchmark import prepare
from foss_platform_tests.benchmarks.ingest.polls import PIPELINE
from foss_platform_tests.benchmarks.measure import Bench, environment, in_own_process
from foss_platform_tests.benchmarks.report import Figure, Report

_METHOD = """\
One poll of 9 records is fetched over local HTTP into a lake that contains the included excerpt and is built. Each \
command is measured as a whole process, from its start to its exit, with compiled bytecode. The commands alternate. \
Memory is the peak of the resident size. The floors are processes that only import the libraries."""

# the peak is read inside the process, because the kernel counts the parent's size for a child that it has forked
_MEASURED = """
import atexit, sys
file = sys.argv.pop(1)
def note():
    from foss_platform_tests.benchmarks.measure import peak_megabytes
    open(file, "w").write(str(peak_megabytes()))
atexit.register(note)
"""
_FOSS = f"{_MEASURED}\nfrom foss_platform.cli.main import run\nrun()"
_SIDES: dict[str, tuple[str, tuple[str, ...], float | None]] = {
    "foss run --bronze-only": (_FOSS, ("run", PIPELINE, "--bronze-only"), 4),
    "foss run, to gold": (_FOSS, ("run", PIPELINE), 7),
    "floor: import of Dagster": (f"{_MEASURED}\nimport dagster", (), None),
    "floor: import of Dagster, PyIceberg, PyArrow and DuckDB": (
        f"{_MEASURED}\nimport dagster, duckdb, pyarrow, pyiceberg.catalog.sql, pyiceberg.table",
        (),
        None,
    ),
    "floor: the same with dbt": (
        f"{_MEASURED}\nimport dagster, duckdb, pyarrow, pyiceberg.catalog.sql, pyiceberg.table\n"
        "import dagster_dbt, dbt.cli.main, dbt.adapters.duckdb",
        (),
        None,
    ),
}


def run(bench: Bench) -> Report:
    """Run the benchmark."""
    rounds = bench.choose(7, 1)
    home = bench.folder / "home"
    ahead = 4 * rounds + 40
    in_own_process(bench.folder, prepare, home, ahead)
    seconds: dict[str, list[float]] = {side: [] for side in _SIDES}
    memory: dict[str, list[float]] = {side: [] for side in _SIDES}
    with FeedServer(list(read_recording(EXCERPT))[-ahead:], pace="step") as server:
        feed = {"FOSS_HOME": str(home), "FOSS_FEED": "recorded", "STAVANGER_PARKING_URL": server.url}
        for number in range(rounds + 1):
            for side, (code, words, _) in _SIDES.items():
                took, megabytes = _measure(bench.folder, code, words, feed)
                # the first round warms the disk's cache
                if number:
                    seconds[side].append(took)
                    memory[side].append(megabytes)
    figures = [Figure(side, seconds[side], "s", goal=goal) for side, (_, _, goal) in _SIDES.items()]
    return Report("run", _METHOD, [*figures, *(Figure(f"memory: {side}", memory[side], "MB") for side in _SIDES)])


def _measure(folder: Path, code: str, words: tuple[str, ...], more: dict[str, Any]) -> tuple[float, float]:
    noted = folder / "peak"
    command = [sys.executable, "-c", code, str(noted), *words]
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment(more), capture_output=True, check=True, timeout=600)
    return time.perf_counter() - started, float(noted.read_text())
