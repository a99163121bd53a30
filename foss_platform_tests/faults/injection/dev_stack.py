"""`foss dev` over the recorded feed, as a user starts it, whose processes may be killed. POSIX with /proc only.

Its processes are found by a variable in their environment, never by name alone: other tests run the same programs.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from foss_platform.settings import Settings

_FOSS = Path(sys.executable).with_name("foss")
_MARK = "DEV_STACK_TEST"
_LAUNCH = """mutation { launchRun(executionParams: {selector: {repositoryLocationName: "foss_platform",
    repositoryName: "__repository__", jobName: "stavanger_parking"}, runConfigData: "{}"})
    { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
#: By name, what stands in the command line of a process.
PROCESSES = {
    "code server": "grpc",
    "daemon": "dagster-daemon",
    "webserver": "dagster-webserver",
    "run": "spawn_main",
    "parent": "--feed",
    "supervisor": "foss_platform.cli.run.supervisor",
}


class DevStack:
    """One home and port, over restarts."""

    def __init__(self, settings: Settings, log: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.log = log
        self.home = settings.home / "recorded"
        self._value = uuid.uuid4().hex
        self._environment = {
            **os.environ,
            "FOSS_HOME": str(settings.home),
            "FOSS_DUCKDB_THREADS": "2",
            "NO_PROXY": "127.0.0.1",
            _MARK: self._value,
        }

    def start(self, **more: Any) -> "subprocess.Popen[bytes]":
        """Start it, without waiting for it."""
        command = [str(_FOSS), "dev", "--feed", "recorded", "--port", str(self.port)]
        options = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "start_new_session": True, **more}
        with self.log.open("ab") as log:
            return subprocess.Popen(command, env=self._environment, **{"stdout": log, **options})

    def processes(self, name: str | None = None) -> list[int]:
        """Those that live, of one name or all."""
        found = []
        for folder in Path("/proc").iterdir():
            with suppress(OSError):
                if not folder.name.isdigit() or f"{_MARK}={self._value}".encode() not in (
                    folder / "environ"
                ).read_bytes().split(b"\0"):
                    continue
                words = (folder / "cmdline").read_bytes()
                # a zombie has no words
                if words and (name is None or PROCESSES[name].encode() in words):
                    found.append(int(folder.name))
        return found

    def kill(self, name: str | None = None) -> int:
        """SIGKILL those of a name, or all, and return how many there were."""
        killed = 0
        while True:
            processes = self.processes(name)
            for process in processes:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            killed += len(processes)
            if name is not None or not processes:
                return killed
            time.sleep(0.05)

    def launch(self) -> str:
        """Poll and build now, as the UI's button does; returns the run's id, and waits for Dagster to be there."""
        return str(wait_until("Dagster takes a run", 150, self._launch, self.log))

    def _launch(self) -> str | None:
        try:
            url = f"http://127.0.0.1:{self.port}/graphql"
            told = requests.post(url, json={"query": _LAUNCH}, timeout=20, proxies={"http": ""}).json()
            return str(told["data"]["launchRun"]["run"]["runId"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def reaches(self, run: str, statuses: Collection[str], seconds: float) -> None:
        """Wait until the run has one of these statuses."""
        wait_until(f"run {run} is {statuses}", seconds, lambda: self.status(run) in statuses, self.log)

    def builds_again(self, moment: float, seconds: float) -> None:
        """Wait until a run that began after this moment has succeeded."""
        wait_until("a build after the kill", seconds, lambda: self.has_built_since(moment), self.log)

    def has_built_since(self, moment: float) -> bool:
        """Whether a run that began later than this has polled and built everything."""
        import dagster as dg

        done = dg.RunsFilter(job_name="stavanger_parking", statuses=[dg.DagsterRunStatus.SUCCESS])
        with dg.DagsterInstance.from_config(str(self.home / "dagster")) as instance:
            return any((record.start_time or 0) > moment for record in instance.get_run_records(done))

    def status(self, run: str) -> str:
        """Dagster's word for how the run is."""
        import dagster as dg

        with dg.DagsterInstance.from_config(str(self.home / "dagster")) as instance:
            found = instance.get_run_by_id(run)
            return "" if found is None else found.status.value


@contextmanager
def dev_stack(settings: Settings, log: Path) -> Iterator[DevStack]:
    """A stack, not yet started; nothing of it is left."""
    stack = DevStack(settings, log)
    try:
        yield stack
    finally:
        stack.kill()


def wait_until(what: str, seconds: float, ask: Callable[[], Any], log: Path) -> Any:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}\n{log.read_text()[-3000:]}"
        time.sleep(0.25)
    return answer
