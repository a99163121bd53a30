"""Runs a function or a command in a separate process, and measures its seconds and peak memory.

`python -m foss_platform_tests.benchmarks.measure MODULE:FUNCTION ARGUMENTS RESULT` is the command of that process.
"""

import importlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from foss_platform.settings import Settings
from foss_platform_tests.repository import PROJECT_ROOT

_LIMIT_SECONDS = 1_800
_LAKE_LIMIT_SECONDS = 4 * 3_600
# prefixes of variables in a developer's shell that must not affect a measurement
_FOREIGN = ("FOSS_", "DAGSTER_", "PYICEBERG_", "STAVANGER_", "DBT_", "DLT_", "PYTHONDONTWRITEBYTECODE")


class BenchmarkError(Exception):
    """A benchmark could not run."""


@dataclass(frozen=True)
class Bench:
    """Folders of a benchmark, and whether it runs at quick size.

    Attributes
    ----------
    folder
        Folder of this benchmark, deleted at its end.
    lakes
        Folder of lakes that several benchmarks read.
    """

    folder: Path
    quick: bool
    lakes: Path

    def choose(self, full: int, quick: int) -> int:
        """Return a size or a number of rounds."""
        return quick if self.quick else full

    def made_once(self, name: str, make: Callable[..., Any], *arguments: Any) -> tuple[Path, Any]:
        """Return a lake that takes long to create. The first benchmark of a run that needs it creates it.

        Parameters
        ----------
        make
            Function of a module that takes the lake's home and the arguments. It is called in a separate process.

        Returns
        -------
        The home, and the result of `make` from when the lake was created.
        """
        home = self.lakes / f"{name}{'-quick' if self.quick else ''}"
        noted = home.with_name(f"{home.name}.json")
        if not noted.exists():
            shutil.rmtree(home, ignore_errors=True)
            self.lakes.mkdir(parents=True, exist_ok=True)
            value = in_own_process(self.folder, make, home, *arguments, limit_seconds=_LAKE_LIMIT_SECONDS).value
            noted.write_text(json.dumps(value))
        return home, json.loads(noted.read_text())


@dataclass(frozen=True)
class Outcome:
    """Result of a function that ran in a separate process.

    Attributes
    ----------
    value
        Return value of the function, converted to and from JSON.
    processor_seconds
        Processor time of all threads during the call. A busy machine distorts it less than wall time.
    """

    value: Any
    seconds: float
    processor_seconds: float
    peak_megabytes: float


def settings_of(home: Path | str) -> Settings:
    """Return the settings for both sides of a comparison."""
    return Settings(home=Path(home), duckdb_memory_limit="4GB")


def in_own_process(
    folder: Path, function: Callable[..., Any], *arguments: Any, limit_seconds: float = _LIMIT_SECONDS
) -> Outcome:
    """Call a module's function in a new interpreter. The seconds do not include the imports of its module."""
    result = folder / "result.json"
    result.unlink(missing_ok=True)
    name = f"{function.__module__}:{function.__name__}"
    command = [sys.executable, "-m", __spec__.name, name, json.dumps(arguments, default=str), str(result)]
    run_command(command, folder, limit_seconds=limit_seconds)
    return Outcome(**json.loads(result.read_text()))


def run_command(
    command: Sequence[str],
    folder: Path,
    more: Mapping[str, str] | None = None,
    limit_seconds: float = _LIMIT_SECONDS,
) -> tuple[float, float]:
    """Run a command to its end. Return its start (seconds since the epoch) and its duration.

    Raises
    ------
    BenchmarkError
        If the command failed. The message contains the end of its output.
    """
    began, started = time.time(), time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(more),
        capture_output=True,
        text=True,
        timeout=limit_seconds,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise BenchmarkError(f"{' '.join(command)[:200]}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    return began, seconds


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment without the developer's settings for the platform, so no catalog of theirs is found."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) or name == "FOSS_SERVICES_CACHE"
    }
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, (str(PROJECT_ROOT), os.environ.get("PYTHONPATH"))))
    return {**kept, "PYICEBERG_HOME": "/nonexistent", **(more or {})}


def peak_megabytes() -> float:
    """Return the largest resident size of this process so far.

    `ru_maxrss` starts at the size of the parent when it started this process, so the value comes from `/proc`.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def _called(name: str, arguments: str, result: str) -> None:
    module, _, function = name.partition(":")
    called = getattr(importlib.import_module(module), function)
    started, processor = time.perf_counter(), time.process_time()
    value = called(*json.loads(arguments))
    outcome = Outcome(value, time.perf_counter() - started, time.process_time() - processor, peak_megabytes())
    Path(result).write_text(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    _called(*sys.argv[1:])
