"""`foss demo` and `foss dev` as separate processes on a host with a broken proxy."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from foss_platform_tests.pipeline.ingest.loopback import Behaviour, answer, misbehaving, silence

_FOSS = (sys.executable, "-c", "from foss_platform.cli.main import run; run()")


def _environment(home: Path, spelling: str, port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    kept.pop("DAGSTER_HOME", None)
    return {**kept, "FOSS_HOME": str(home), spelling: f"http://user:secret@127.0.0.1:{port}"}


@pytest.mark.parametrize(("spelling", "behaviour"), [("HTTP_PROXY", silence), ("all_proxy", answer("502 Bad Gateway"))])
def test_the_demo_ends(tmp_path: Path, spelling: str, behaviour: Behaviour) -> None:
    with misbehaving(behaviour) as proxy:
        environment = _environment(tmp_path, spelling, proxy.port)
        done = subprocess.run([*_FOSS, "demo"], env=environment, capture_output=True, text=True, timeout=400)
        assert (done.returncode, "All steps and checks succeeded" in done.stdout) == (0, True), (
            done.stdout + done.stderr
        )
        assert proxy.paths == []


def test_dev_prints_its_address(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with misbehaving(answer("403 Forbidden")) as proxy:
        command = [*_FOSS, "dev", "--feed", "recorded", "--port", port]
        process = subprocess.Popen(
            command,
            env=_environment(tmp_path, "http_proxy", proxy.port),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        limit = threading.Timer(400, process.send_signal, [signal.SIGINT])
        limit.start()
        said = []
        try:
            for line in process.stdout:
                said.append(line)
                if f"http://127.0.0.1:{port}" in line and "warning" not in line:
                    break
            else:
                pytest.fail("".join(said))
            assert proxy.paths == []
        finally:
            limit.cancel()
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=120)
