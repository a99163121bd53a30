"""A server in a separate process: start, readiness, stop, freeze and end.

Each server has its own folder, log and port of 127.0.0.1. No server outlives the tests, because the kernel ends a
server whose parent has died for any reason (`setpriv --pdeathsig`).
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from foss_platform_tests.services.servers.process_tree import (
    as_account,
    descendants,
    end_all,
    free_port,
    freeze_all,
    signal_all,
)
from foss_platform_tests.services.servers.readiness import NotReady, until_ready

START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_LOG_LINES = 12


AnyServer = TypeVar("AnyServer", bound="Server")


class Server(ABC):
    """A real server on 127.0.0.1.

    Attributes
    ----------
    folder
        Folder of all its files. `close` deletes it.
    port
        Port, which stays the same across restarts.
    """

    name: str
    #: account for the process, if the server refuses to run as root
    account: str | None = None
    #: signal for an orderly shutdown
    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"foss-{self.name}-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        if self.runs_as is not None:
            shutil.chown(self.folder, self.runs_as, pwd.getpwnam(self.runs_as).pw_gid)

    @property
    def runs_as(self) -> str | None:
        """Account to switch to. Only root can switch, and only root needs to."""
        return self.account if os.geteuid() == 0 else None

    @property
    def log(self) -> Path:
        """File with its output."""
        return self.folder / "server.log"

    @property
    def pid(self) -> int:
        """Id of its first process."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether its first process exists, even if it does not respond."""
        return self._process is not None and self._process.poll() is None

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command that starts the server."""

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """Return the environment beyond the PATH. Secrets belong here."""

    @abstractmethod
    def ask(self) -> None:
        """Send a request, and return if it is answered.

        Raises
        ------
        NotReady
            If the server does not answer yet.
        """

    def start(self) -> None:
        """Start the server and wait until it answers. Raises the errors of `wait_until_ready`."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start the server without waiting for it."""
        assert not self.is_running, f"{self.name} is already running"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                as_account(self.runs_as, self.command()),
                cwd=self.folder,
                # none of the machine's variables, especially AWS_… and PG…
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8", **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self, seconds: float = START_SECONDS) -> None:
        """Send requests until the server answers.

        Raises
        ------
        TimeoutError
            If it does not answer in time. The message has the end of its log.
        ChildProcessError
            If it ends instead. The message has the end of its log.
        """
        try:
            until_ready(self._ask_if_running, seconds)
        except NotReady as error:
            raise TimeoutError(f"{self.name} did not answer within {seconds:.0f} s:\n{self.log_end()}") from error

    def stop(self) -> None:
        """Shut the server down and wait. Its data is kept."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """Kill the server, as a crash would. Its data is kept."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start the server on the same port with its data."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Freeze all processes. The server accepts connections but never answers."""
        freeze_all(self._family())

    def resume(self) -> None:
        """Resume a frozen server."""
        signal_all(self._family(), signal.SIGCONT)

    def ensure_running(self) -> None:
        """Make the server answer again, regardless of its state."""
        if self.is_running:
            self.resume()
            self.wait_until_ready()
        else:
            self.start()

    def close(self) -> None:
        """Kill the server, whatever state it is in, and delete its folder."""
        self.kill()
        shutil.rmtree(self.folder)

    def log_end(self) -> str:
        """Return the last lines of its log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_LOG_LINES:])

    def _ask_if_running(self) -> None:
        if not self.is_running:
            raise ChildProcessError(f"{self.name} ended instead of starting:\n{self.log_end()}")
        self.ask()

    def _end(self, signal_: signal.Signals) -> None:
        if self._process is None:
            return
        family = descendants(self._process.pid) if self.is_running else []
        if self.is_running:
            self._process.send_signal(signal_)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        end_all(family)
        self._process = None

    def _family(self) -> list[int]:
        return [self.pid, *descendants(self.pid)]


@contextmanager
def running_all(servers: Sequence[Server]) -> Iterator[None]:
    """Launch servers in parallel, wait for them in this order, and close them at the end."""
    with ExitStack() as stack:
        for server in servers:
            stack.callback(server.close)
        for server in servers:
            server.launch()
        for server in servers:
            server.wait_until_ready()
        yield


@contextmanager
def running(server: AnyServer) -> Iterator[AnyServer]:
    """Start a server, and close it at the end."""
    try:
        server.start()
        yield server
    finally:
        server.close()
