"""Trino, run with the files of `docker/trino`: a single server, or a server of a cluster.

The operators' script creates passwords and certificates for one server. They are stored only in its folder.
"""

import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from trino.auth import BasicAuthentication
from trino.dbapi import Connection, connect

from foss_platform_tests.services.servers.process import Server
from foss_platform_tests.services.servers.process_tree import as_account
from foss_platform_tests.services.servers.programs import TRINO
from foss_platform_tests.services.servers.readiness import NotReady
from foss_platform_tests.services.servers.toolchain import java_home
from foss_platform_tests.services.servers.trino_lake import TrinoLake
from foss_platform_tests.services.servers.trino_program import trino

HOST = "localhost"
ENGINEER = "engineer"
ANALYST = "analyst"
# 20 s on an idle core, but far longer on a machine that starts other servers too
_START_SECONDS = 300.0
_ANSWER_SECONDS = 5.0
#: A small heap, without the optimizing compiler, which only helps long runs.
FOR_TESTS = "-Xmx1G -XX:TieredStopAtLevel=1"


@dataclass(frozen=True)
class TrinoAccess:
    """Connection data of a Trino for clients.

    Attributes
    ----------
    ca_file
        Certificate to trust.
    passwords
        Passwords by user. Each user's name is also the name of the user's catalog.
    """

    port: int
    ca_file: Path
    passwords: Mapping[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        """URL of the server."""
        return f"https://{HOST}:{self.port}"

    def connection(self, login: str = ENGINEER, **settings: object) -> Connection:
        """Log in to the user's catalog. `settings` override those for trino's `connect`. The caller closes it."""
        # the machine's certificates and proxies must not apply
        session = requests.Session()
        session.trust_env, session.verify = False, str(self.ca_file)
        given: dict[str, object] = {
            "http_session": session,
            "auth": BasicAuthentication(login, self.passwords[login]),
            "user": login,
            "catalog": login,
            **settings,
        }
        return connect(host=HOST, port=self.port, http_scheme="https", **given)

    def rows(self, statement: str, user: str = ENGINEER, **settings: object) -> list[list[Any]]:
        """Return the rows of a statement, with settings as for `connection`."""
        with self.connection(user, **settings) as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            return [list(row) for row in cursor.fetchall()]

    def environment(self) -> dict[str, str]:
        """Return the variables with which the platform connects as engineer."""
        return {
            "FOSS_TRINO_URL": self.url,
            "FOSS_TRINO_USER": ENGINEER,
            "FOSS_TRINO_PASSWORD": self.passwords[ENGINEER],
            "FOSS_TRINO_CA_FILE": str(self.ca_file),
            "FOSS_TRINO_CATALOG": ENGINEER,
        }


class TrinoServer(Server):
    """A server of `docker/trino` in one of its two roles.

    Attributes
    ----------
    node
        Its name in the cluster.
    secrets
        Folder of the files with its secrets.
    java_options
        Options in addition to those of `jvm.config`.
    """

    name = "trino"
    role: str

    def __init__(self, lake: TrinoLake, java_options: str = FOR_TESTS) -> None:
        self.home = trino()
        self.java = java_home()
        super().__init__()
        self.lake = lake
        self.java_options = java_options
        self.node = f"port-{self.port}"
        # Trino's launcher starts Java from any of its threads. When that thread ends, the kernel forgets that the
        # server must die with its parent, so the setting is repeated directly before Java starts.
        program = self.folder / "java" / "bin" / "java"
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec {shlex.join(as_account(None, [str(self.java / "bin" / "java")]))} "$@"\n')
        program.chmod(0o755)
        self.secrets = self.folder / "secrets"
        # Trino unpacks native libraries there, and leaves them when it is killed
        self._temporary = self.folder / "tmp"
        self._temporary.mkdir()

    def command(self) -> list[str]:
        """Return the command of a container, with this server's own internal address instead of a network address."""
        own = ["-D", f"node.id={self.node}", "-D", "node.internal-address=127-0-0-1.ip"]
        return [str(TRINO / "start.sh"), self.role, *own]

    def environment(self) -> dict[str, str]:
        """Return the variables that differ from the container's. The secrets are files."""
        return {
            **self.lake.variables,
            "JAVA_HOME": str(self.folder / "java"),
            "JDK_JAVA_OPTIONS": f"{self.java_options} -Djava.io.tmpdir={self._temporary}",
            "TRINO_HOME": str(self.home),
            "TRINO_RUN": str(self.folder / "run"),
            "TRINO_SECRETS": str(self.secrets),
            "TRINO_BIND_ADDRESS": "127.0.0.1",
            "TRINO_PORT": str(self.port),
            "TRINO_COORDINATOR": HOST,
            "TRINO_COORDINATOR_PORT": str(self.port),
        }

    def wait_until_ready(self, seconds: float = _START_SECONDS) -> None:
        """Wait until the server answers. Raises the same errors as any server."""
        super().wait_until_ready(seconds)


class Trino(TrinoServer):
    """The coordinator, which also works if it is alone."""

    role = "coordinator"

    def __init__(self, lake: TrinoLake, java_options: str = FOR_TESTS, *, works: bool = True) -> None:
        super().__init__(lake, java_options)
        self._works = works
        script = [sys.executable, str(TRINO / "make_secrets.py"), str(self.secrets), HOST, "127.0.0.1"]
        subprocess.run(script, check=True, stdin=subprocess.DEVNULL)
        for name, secret in lake.secrets.items():
            path = self.secrets / name
            path.touch(0o600)
            path.write_text(secret)

    @property
    def access(self) -> TrinoAccess:
        """Connection data for clients."""
        passwords = {user: (self.secrets / f"trino_{user}_password").read_text() for user in (ENGINEER, ANALYST)}
        return TrinoAccess(self.port, self.secrets / "trino_ca.pem", passwords)

    def environment(self) -> dict[str, str]:
        """Return the variables, including those only for the coordinator."""
        return {**super().environment(), "TRINO_COORDINATOR_WORKS": str(self._works).lower()}

    def ask(self) -> None:
        """Check whether it has started, as `compose.yaml` does."""
        url = f"{self.access.url}/v1/info"
        try:
            answer = requests.get(url, verify=str(self.access.ca_file), timeout=_ANSWER_SECONDS)
            is_starting = answer.json()["starting"]
        except (requests.RequestException, KeyError) as error:
            raise NotReady(str(error)) from error
        if is_starting:
            raise NotReady("it is starting")
