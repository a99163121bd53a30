"""Keeps Dagster's three processes running on one machine for as long as the caller runs. See `foss dev`.

    python -m foss_platform.cli.run.supervisor PORT

The supervisor's standard input is a pipe whose other end belongs to the caller. However the caller ends, the pipe is
closed, and the supervisor ends everything. A killed process is started again, because the other two need it.
`dagster dev` is not enough: it ends with the daemon, continues without its code server, and outlives its caller.

The supervisor leads a process group that contains all the processes it starts. To use little memory, it imports nothing
of the platform.
"""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

#: How long the processes may take to shut down.
ENDING_SECONDS = 15.0
# the code server first loads the pages and parses the models, which took 45 s on a busy machine
_LOADING_SECONDS = 300.0
# a process that is killed this often would be killed again, so the supervisor gives up
_MAX_RESTARTS, _RESTARTS_SECONDS = 5, 600.0
_MODULE, _LOCATION = "foss_platform.definitions", "foss_platform"


@dataclass
class _Kept:
    name: str
    command: list[str]
    process: "subprocess.Popen[bytes] | None" = None
    restarts: list[float] = field(default_factory=list)

    def start(self) -> None:
        # the children must not read the terminal's input
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL)

    def code(self) -> int | None:
        return None if self.process is None else self.process.poll()

    def restart(self) -> bool:
        """Start the process again, unless it was restarted too often."""
        now = time.monotonic()
        self.restarts = [moment for moment in self.restarts if now - moment < _RESTARTS_SECONDS] + [now]
        if len(self.restarts) > _MAX_RESTARTS:
            return False
        _say(f"The {self.name} was killed and is started again.")
        self.start()
        return True


class Supervisor:
    """Starts the code server, the webserver and the daemon, in this order, and watches them."""

    def __init__(self, port: int, folder: Path) -> None:
        self._ended = False
        self._socket = folder / "code"
        workspace = folder / "workspace.yaml"
        workspace.write_text(f"load_from:\n  - grpc_server: {{socket: {self._socket}, location_name: {_LOCATION}}}\n")
        programs = Path(sys.executable)
        code = ["api", "grpc", "--module-name", _MODULE, "--socket", str(self._socket), "--location-name", _LOCATION]
        ui = ["--host", "127.0.0.1", "--port", str(port), "--dagster-log-level", "error"]
        self._code = _Kept("code server", [str(programs.with_name("dagster")), *code, "--log-level", "error"])
        self._others = [
            _Kept("webserver", [str(programs.with_name("dagster-webserver")), *ui, "--workspace", str(workspace)]),
            _Kept(
                "daemon",
                [
                    str(programs.with_name("dagster-daemon")),
                    "run",
                    "--log-level",
                    "error",
                    "--workspace",
                    str(workspace),
                ],
            ),
        ]
        # children inherit SIG_IGN but not handlers, and the daemon ends only if it receives the signal, so install
        # handlers
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, self._end)

    def keep(self) -> None:
        """Return when the caller has ended, or when one of the three processes has ended by itself."""
        self._code.start()
        deadline = time.monotonic() + _LOADING_SECONDS
        while not self._socket.exists():
            if not self._goes_on([self._code]) or time.monotonic() > deadline:
                return
        for kept in self._others:
            kept.start()
        while self._goes_on([self._code, *self._others]):
            pass

    def end(self) -> None:
        """Ask the processes to end, and wait for them. The caller then kills what remains of the process group."""
        processes = [kept.process for kept in (*self._others, self._code) if kept.process is not None]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + ENDING_SECONDS
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))

    def _goes_on(self, all_kept: list[_Kept]) -> bool:
        """Wait a little. Returns whether the caller and all these processes are still running."""
        if select.select([0], [], [], 0.2)[0] and not os.read(0, 1):
            return False
        for kept in all_kept:
            code = kept.code()
            if code is None:
                continue
            if code >= 0:
                _say(f"The {kept.name} ended with exit code {code}.")
                return False
            if not kept.restart():
                _say(f"The {kept.name} was killed {_MAX_RESTARTS + 1} times.")
                return False
        return not self._ended

    def _end(self, *_: object) -> None:
        self._ended = True


def _say(words: str) -> None:
    # the terminal may be closed, and that must not end the supervisor
    with suppress(OSError):
        os.write(2, f"{words}\n".encode())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="foss-dev-") as made:
        supervisor = Supervisor(int(sys.argv[1]), Path(made))
        try:
            supervisor.keep()
        finally:
            supervisor.end()
    os.killpg(0, signal.SIGKILL)
