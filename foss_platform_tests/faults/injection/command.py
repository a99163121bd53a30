"""Runs the `foss` command as a user does, in a process group that can be killed as a whole."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_FOSS = Path(sys.executable).with_name("foss")
_TIME_OUT = 300


class Foss:
    """Runs `foss` with one home and one feed.

    Parameters
    ----------
    log
        File for its output.
    """

    def __init__(self, home: Path, url: str, log: Path) -> None:
        self._log = log
        self._environment = {
            **os.environ,
            "FOSS_HOME": str(home),
            "FOSS_FEED": "recorded",
            "FOSS_DUCKDB_THREADS": "2",
            "STAVANGER_PARKING_URL": url,
        }

    def run(self, *arguments: str) -> float:
        """Run the command to its end, which must be successful. Return the seconds it took."""
        began = time.monotonic()
        with self._started(arguments) as process:
            process.wait(_TIME_OUT)
        assert process.returncode == 0, self._log.read_text()
        return time.monotonic() - began

    def kill(self, *arguments: str, when: Callable[[float], bool]) -> bool:
        """Kill the process group once `when` returns true. It is called with the seconds since the start.

        Returns
        -------
        Whether the command was still running.
        """
        began = time.monotonic()
        with self._started(arguments) as process:
            while process.poll() is None and not when(time.monotonic() - began):
                assert time.monotonic() - began < _TIME_OUT, self._log.read_text()
                time.sleep(0.02)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            return process.wait(_TIME_OUT) == -signal.SIGKILL

    @contextmanager
    def _started(self, arguments: tuple[str, ...]) -> Iterator["subprocess.Popen[bytes]"]:
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                [_FOSS, *arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
