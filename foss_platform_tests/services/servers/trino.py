"""Trino, run with the files of `docker/trino`: a single server, or one of a cluster. Not here: the lake it stands on.

Passwords and certificates are made for one server by the script that operators use, and lie only in its folder.
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
# 20 on a core of its own; a machine that starts other servers too is far slower
_START_SECONDS = 300.0
_ANSWER_SECONDS = 5.0
#: Small, and without the compiler that pays only in long runs.
FOR_TESTS = "-Xmx1G -XX:TieredStopAtLevel=1"


@dataclass(frozen=True)
class TrinoAccess:
    """How clients reach a Trino.

    Attributes
    ----------
    ca_file
        Whom to trust.
    passwords
        By user; each user's name is that of the catalog which is for them.
    """

    port: int
    ca_file: Path
    passwords: Mapping[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        """Its address."""
        return f"https://{HOST}:{self.port}"

    def connection(self, login: str = ENGINEER, **settings: object) -> Connection:
        """Log in, to the catalog of that user; to be closed. Settings of trino's `connect` win over it."""
        # what the machine's environment says of authorities and proxies is not for it
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
        """What a statement answers; with settings as for `connection`."""
        with self.connection(user, **settings) as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            return [list(row) for row in cursor.fetchall()]

    def environment(self) -> dict[str, str]:
        """The variables by which the platform reaches it as engineer."""
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
        What the cluster calls it.
    secrets
        The folder of its secrets' files.
    java_options
        Beyond those of `jvm.config`.
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
        # Trino's launcher runs Java from any of its threads, and the kernel forgets with the others that the server is
        # to die with us: it is told so again at the last moment
        program = self.folder / "java" / "bin" / "java"
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec {shlex.join(as_account(None, [str(self.java / "bin" / "java")]))} "$@"\n')
        program.chmod(0o755)
        self.secrets = self.folder / "secrets"
        # it unpacks native libraries there, and one that is killed leaves them
        self._temporary = self.folder / "tmp"
        self._temporary.mkdir()

    def command(self) -> list[str]:
        """As a container starts it; others call it by its address, which else would be one of the network."""
        own = ["-D", f"node.id={self.node}", "-D", "node.internal-address=127-0-0-1.ip"]
        return [str(TRINO / "start.sh"), self.role, *own]

    def environment(self) -> dict[str, str]:
        """What differs from the container's; the secrets are files."""
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
        """Ask until it answers; raises as of any server."""
        super().wait_until_ready(seconds)


class Trino(TrinoServer):
    """The coordinator, which also works where it is alone."""

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
        """How clients reach it."""
        passwords = {user: (self.secrets / f"trino_{user}_password").read_text() for user in (ENGINEER, ANALYST)}
        return TrinoAccess(self.port, self.secrets / "trino_ca.pem", passwords)

    def environment(self) -> dict[str, str]:
        """With what only the coordinator asks for."""
        return {**super().environment(), "TRINO_COORDINATOR_WORKS": str(self._works).lower()}

    def ask(self) -> None:
        """Whether it has started, as `compose.yaml` asks."""
        url = f"{self.access.url}/v1/info"
        try:
            answer = requests.get(url, verify=str(self.access.ca_file), timeout=_ANSWER_SECONDS)
            is_starting = answer.json()["starting"]
        except (requests.RequestException, KeyError) as error:
            raise NotReady(str(error)) from error
        if is_starting:
            raise NotReady("it is starting")
