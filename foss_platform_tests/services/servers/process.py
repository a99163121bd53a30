"""A server as a process of its own: started, waited for, stopped, frozen, ended. Not here: which server.

Each has its own folder, port of 127.0.0.1 and log. None outlives the tests: the kernel ends a server whose starter died
(`setpriv --pdeathsig`), however that happened.
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
        All that it writes; removed by `close`.
    port
        The same one over restarts.
    """

    name: str
    #: who runs it, where it refuses to be run by root
    account: str | None = None
    #: asks it to end in good order
    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"foss-{self.name}-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        if self.runs_as is not None:
            shutil.chown(self.folder, self.runs_as, pwd.getpwnam(self.runs_as).pw_gid)

    @property
    def runs_as(self) -> str | None:
        """The account to change to, which only root can and need."""
        return self.account if os.geteuid() == 0 else None

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.folder / "server.log"

    @property
    def pid(self) -> int:
        """Of its first process."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether its first process is there, answering or not."""
        return self._process is not None and self._process.poll() is None

    @abstractmethod
    def command(self) -> list[str]:
        """How to start it."""

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """Its environment beyond the PATH; this is where secrets go."""

    @abstractmethod
    def ask(self) -> None:
        """Return when it answers a question.

        Raises
        ------
        NotReady
            When it does not yet.
        """

    def start(self) -> None:
        """Start it and wait until it answers; raises as `wait_until_ready`."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start it without waiting for it."""
        assert not self.is_running, f"{self.name} runs already"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                as_account(self.runs_as, self.command()),
                cwd=self.folder,
                # nothing of the machine's own, above all no AWS_… or PG…
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8", **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self, seconds: float = START_SECONDS) -> None:
        """Ask until it answers.

        Raises
        ------
        TimeoutError
            When it does not in time, with the end of its log.
        ChildProcessError
            When it ends instead, with the end of its log.
        """
        try:
            until_ready(self._ask_if_running, seconds)
        except NotReady as error:
            raise TimeoutError(f"{self.name} did not answer within {seconds:.0f} s:\n{self.log_end()}") from error

    def stop(self) -> None:
        """End it in good order and wait; what it keeps stays."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End it at once, as a crash does; what it keeps stays."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start it, on the same port with what it keeps."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Let it accept connections but never answer, with all its processes."""
        freeze_all(self._family())

    def thaw(self) -> None:
        """Let a frozen one go on."""
        signal_all(self._family(), signal.SIGCONT)

    def revive(self) -> None:
        """Let it answer again, whatever a test has done to it."""
        if self.is_running:
            self.thaw()
            self.wait_until_ready()
        else:
            self.start()

    def close(self) -> None:
        """End it whatever state it is in, and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder)

    def log_end(self) -> str:
        """The last lines of its log."""
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
    """Launch servers side by side, wait for them in this order, and close them at the end."""
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
