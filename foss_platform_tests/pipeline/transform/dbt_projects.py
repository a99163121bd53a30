"""A dbt project for one test: the platform's project with added files."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from foss_platform.new_project.project_files import dbt_files
from foss_platform_tests.repository import PROJECT_ROOT

#: What the added models begin with: the project's models have contracts, for which they would need a page.
NO_CONTRACT = "contract={'enforced': false}"


def project_with(folder: Path, **files: str) -> Path:
    """Return the dbt project of the parking example with added files, in a folder below `folder`."""
    copy = folder / "project"
    for path, content in dbt_files(example=True).items():
        file = copy / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    add_files(copy, files)
    return copy


def add_files(project: Path, files: Mapping[str, str]) -> None:
    """Add files to a dbt project. `gold__name_sql` is `models/gold/added/name.sql`, `snapshots__…` a snapshot."""
    for name, text in files.items():
        place, _, rest = name.partition("__")
        stem, _, suffix = rest.rpartition("_")
        path = project / (f"models/{place}/added" if place in ("silver", "gold") else place) / f"{stem}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def start_foss(home: Path, project: Path, *words: str) -> subprocess.Popen[str]:
    """`foss` in a process of its own, in which a Ctrl-C does what it does in a terminal."""
    command = f"import sys; from foss_platform.cli.main import run; sys.argv = {['foss', *words]!r}; run()"
    return subprocess.Popen(
        # a process that was started in the background ignores SIGINT
        [sys.executable, "-c", f"import signal; signal.signal(2, signal.default_int_handler); {command}"],
        env={**os.environ, "FOSS_HOME": str(home), "FOSS_DBT_PROJECT": str(project), "COLUMNS": "400"},
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_foss(home: Path, project: Path, *words: str) -> tuple[int, str, str]:
    """Exit code, output and messages of `foss` in a process of its own."""
    with start_foss(home, project, *words) as process:
        try:
            out, err = process.communicate(timeout=300)
        finally:
            process.kill()
    return process.returncode, out, err


def interrupt_when(process: subprocess.Popen[str], is_time: Callable[[], bool]) -> tuple[int, str, str]:
    """Send a Ctrl-C once it is time; exit code, output and messages."""
    with process:
        try:
            until = time.monotonic() + 120
            while not is_time() and process.poll() is None and time.monotonic() < until:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
    return process.returncode, out, err
