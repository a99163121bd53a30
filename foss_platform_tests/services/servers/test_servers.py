"""The servers start with the shipped files, restart, freeze, and never outlive the tests."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import tenacity

from foss_platform_tests.services.lakes import Kind, made_lake
from foss_platform_tests.services.servers.minio import Minio
from foss_platform_tests.services.servers.postgres import Postgres
from foss_platform_tests.services.servers.process import Server
from foss_platform_tests.services.servers.process_tree import descendants, is_alive
from foss_platform_tests.services.servers.programs import ROOT
from foss_platform_tests.services.servers.readiness import NotReady

# in the kernel's notation: hexadecimal, in the machine's byte order
_LOOPBACK_4 = "0100007F"
_LOOPBACK_6 = "00000000000000000000000001000000"


@pytest.fixture(params=["postgres", "minio", "rest-catalog"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    if request.param != "rest-catalog":
        found: Server = request.getfixturevalue(request.param)
        yield found
        found.ensure_running()
        return
    postgres, minio = request.getfixturevalue("postgres"), request.getfixturevalue("minio")
    with made_lake(Kind.REST_MINIO, tmp_path, postgres, minio) as lake:
        assert lake.catalog_server is not None
        yield lake.catalog_server


def test_restarts_on_the_same_port(server: Server) -> None:
    port, pid = server.port, server.pid
    server.restart()
    assert (server.port, server.pid != pid) == (port, True)
    server.ask()


def test_a_killed_server_starts_again(server: Server) -> None:
    family = [server.pid, *descendants(server.pid)]
    server.kill()
    assert [pid for pid in family if is_alive(pid)] == []
    with pytest.raises(NotReady):
        server.ask()
    server.start()
    server.ask()


def test_a_frozen_server_accepts_connections_and_never_answers(server: Server) -> None:
    server.freeze()
    with socket.create_connection(("127.0.0.1", server.port), timeout=2) as connection:
        connection.settimeout(0.5)
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(TimeoutError):
            connection.recv(1)
    server.resume()
    server.wait_until_ready()


def test_the_log_is_kept_and_contains_no_secret(server: Server) -> None:
    secrets = [value for name, value in server.environment().items() if "PASSWORD" in name or "SECRET" in name]
    assert not any(secret in server.log.read_text() for secret in secrets)
    assert not any(secret in " ".join(server.command()) for secret in secrets)


def test_postgres_has_the_databases_and_refuses_strangers(postgres: Postgres) -> None:
    def connect(user: str, password: str, database: str) -> None:
        psycopg2.connect(host="127.0.0.1", port=postgres.port, user=user, password=password, dbname=database).close()

    connect("lake", postgres.lake_password, "lake")
    connect("dagster", postgres.dagster_password, "dagster")
    for user, password, database in (
        ("lake", "wrong", "lake"),
        ("lake", "", "lake"),
        ("lake", postgres.lake_password, "dagster"),
    ):
        with pytest.raises(psycopg2.OperationalError):
            connect(user, password, database)


def test_servers_listen_only_on_this_machine(postgres: Postgres, minio: Minio) -> None:
    # 0A is "listening"
    listening = {
        fields[1].split(":")[0]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if (fields := line.split())[3] == "0A" and int(fields[1].split(":")[1], 16) in (postgres.port, minio.port)
    }
    assert listening - {_LOOPBACK_6} == {_LOOPBACK_4}


@pytest.mark.parametrize("kind", ["Postgres", "Minio"])
def test_a_server_dies_with_its_parent(kind: str) -> None:
    code = (
        f"from foss_platform_tests.services.servers.{kind.lower()} import {kind}\n"
        "from foss_platform_tests.services.servers.process_tree import descendants\n"
        f"server = {kind}()\nserver.start()\n"
        "print(server.folder, server.pid, *descendants(server.pid), flush=True)\ninput()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        folder, *pids = starter.stdout.readline().split()
        assert pids
        os.kill(starter.pid, signal.SIGKILL)
    gone = tenacity.Retrying(
        retry=tenacity.retry_if_result(bool), stop=tenacity.stop_after_delay(15), wait=tenacity.wait_fixed(0.05)
    )
    try:
        gone(lambda: [pid for pid in pids if is_alive(int(pid))])
    finally:
        shutil.rmtree(folder)
