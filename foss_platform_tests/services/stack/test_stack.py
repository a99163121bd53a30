"""Runs the commands of `compose.yaml` natively: code server, webserver and daemon on Postgres and MinIO."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from foss_platform_tests.services.lakes import Kind, Lake
from foss_platform_tests.services.servers.process import Server
from foss_platform_tests.services.servers.process_tree import as_account, free_port
from foss_platform_tests.services.servers.programs import DOCKER, ROOT
from foss_platform_tests.services.servers.readiness import NotReady, ask_page, until_ready

SERVICES: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
_SECONDS = 120.0
_ASSETS = "{ assetNodes { assetKey { path } } }"
_LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries {
    loadStatus locationOrLoadError { __typename ... on PythonError { message } } } } } }"""
_HEARTBEATS = "{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }"


class Service(Server):
    """A service of `compose.yaml` with its own command, but other folders, addresses and ports."""

    def __init__(self, name: str, lake: Lake, dagster: dict[str, str], ports: dict[str, int]) -> None:
        self.name = name
        super().__init__()
        self.port = ports.get(name, self.port)
        self._lake, self._dagster, self._ports = lake, dagster, ports

    def command(self) -> list[str]:
        """Return the command of the file."""
        program, *words = SERVICES[self.name]["command"]
        changed = {
            "0.0.0.0": "127.0.0.1",
            "3000": str(self._ports["webserver"]),
            "4000": str(self._ports["code"]),
            "/opt/foss/workspace.yaml": f"{self._dagster['DAGSTER_HOME']}/workspace.yaml",
        }
        return [str(Path(sys.executable).with_name(program)), *(changed.get(word, word) for word in words)]

    def environment(self) -> dict[str, str]:
        """Return the variables of `compose.yaml`, with this lake and this Postgres."""
        return {
            **self._lake.environment,
            **self._dagster,
            # a test must not poll a real feed
            "FOSS_AUTOMATION": "off",
            "STAVANGER_PARKING_URL": "http://127.0.0.1:9",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }

    def wait_until_ready(self, seconds: float = _SECONDS) -> None:
        """Wait as for any server, but longer, because the service imports the platform and parses the models."""
        super().wait_until_ready(seconds)

    def ask(self) -> None:
        """Send the request of the file's health check."""
        if self.name == "webserver":
            ask_page(f"http://127.0.0.1:{self.port}/server_info")
            return
        check = SERVICES[self.name]["healthcheck"]["test"][1:]
        words = [str(self._ports["code"]) if word == "4000" else word for word in check]
        done = subprocess.run(
            as_account(None, [str(Path(sys.executable).with_name(words[0])), *words[1:]]),
            env=self.environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NotReady(done.stdout + done.stderr)


@pytest.fixture
def stack(lake: Lake, dagster_environment: dict[str, str]) -> Iterator[dict[str, Service]]:
    ports = {"code": free_port(), "webserver": free_port()}
    workspace = (DOCKER / "dagster" / "workspace.yaml").read_text()
    assert "host: code, port: 4000" in workspace
    changed = workspace.replace("host: code, port: 4000", f"host: 127.0.0.1, port: {ports['code']}")
    (Path(dagster_environment["DAGSTER_HOME"]) / "workspace.yaml").write_text(changed)
    services = {name: Service(name, lake, dagster_environment, ports) for name in ("code", "webserver", "daemon")}
    try:
        services["code"].start()
        # in the file, both services wait only for the code server
        assert all([*SERVICES[name]["depends_on"]] == ["code"] for name in ("webserver", "daemon"))
        for name in ("webserver", "daemon"):
            services[name].start()
        yield services
    finally:
        for service in services.values():
            service.close()


@pytest.mark.parametrize("kind", [Kind.POSTGRES_MINIO], indirect=True)
def test_the_stack_serves_the_graph_and_its_daemon_is_alive(stack: dict[str, Service], lake: Lake) -> None:
    def answer(query: str) -> Any:
        url = f"http://127.0.0.1:{stack['webserver'].port}/graphql"
        told = requests.post(url, json={"query": query}, timeout=30)
        assert told.status_code == requests.codes.ok, told.text
        return told.json()["data"]

    def all_are_healthy() -> None:
        statuses = answer(_HEARTBEATS)["instance"]["daemonHealth"]["allDaemonStatuses"]
        silent = [status["daemonType"] for status in statuses if status["required"] and not status["healthy"]]
        if silent or not statuses:
            raise NotReady(f"without a fresh heartbeat: {silent}")

    def assets_are_listed() -> None:
        assets = {".".join(node["assetKey"]["path"]) for node in answer(_ASSETS)["assetNodes"]}
        if not assets >= {"bronze.stavanger_parking", "ops.polls", "silver.parking_readings"}:
            raise NotReady(f"{assets}: {answer(_LOCATIONS)}\n{stack['code'].log_end()}")

    # the code server answers before it has loaded the pages, and the webserver requests them again
    until_ready(assets_are_listed, _SECONDS)
    until_ready(all_are_healthy, _SECONDS)
    for name in ("daemon", "webserver", "code"):
        stack[name].stop()
        assert not any(secret in stack[name].log.read_text() for secret in lake.secrets)


@pytest.mark.parametrize("kind", [Kind.POSTGRES_MINIO], indirect=True)
def test_a_missing_bucket_is_created(lake: Lake) -> None:
    assert lake.store_server is not None
    bucket = lake.warehouse.split("/")[2]
    lake.store_server.files.rmdir(bucket)
    for _ in range(2):
        script = [sys.executable, str(DOCKER / "minio" / "make_bucket.py")]
        subprocess.run(script, env=lake.environment, check=True, timeout=_SECONDS)
        assert lake.store_server.files.exists(bucket)
