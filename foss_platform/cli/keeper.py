"""Keeps a program and all that it starts for as long as the caller lives; see `foss dev`.

    python -m foss_platform.cli.keeper COMMAND…

Its standard input is a pipe whose other end the caller holds. The end of the caller closes it, however the caller
ended: then the program is interrupted, and what is left of its process group is killed. The first line on standard
output is the number of the group. Nothing of the platform is imported, so that it is small.
"""

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

#: How long the program may take to end in good order, and then its children.
INTERRUPTED_SECONDS, TERMINATED_SECONDS = 20.0, 5.0


def keep(command: list[str]) -> int:
    """Run the command until it ends, or the caller does; returns its exit code."""
    ended: list[int] = []
    # handlers, and not SIG_IGN, which the program would inherit: it has to hear an interrupt
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, lambda number, _: ended.append(number))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True)
    os.write(1, f"{process.pid}\n".encode())
    while process.poll() is None and not ended:
        if select.select([0], [], [], 0.2)[0] and not os.read(0, 1):
            break
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(INTERRUPTED_SECONDS)
    end_group(process.pid, process)
    return process.wait()


def end_group(group: int, process: "subprocess.Popen[bytes] | None" = None) -> None:
    """Terminate a process group, and kill it if that does not help."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + TERMINATED_SECONDS
        with suppress(ProcessLookupError):
            os.killpg(group, number)
            while time.monotonic() < deadline:
                if process is not None:
                    process.poll()
                os.killpg(group, 0)
                time.sleep(0.05)
            continue
        return


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
