"""Postgres, run with the files of `docker/postgres`.

Passwords are random, created per server, and stored only in its environment.
"""

import secrets
import shutil
import signal
import subprocess

import psycopg2

from foss_platform_tests.services.servers.process import Server
from foss_platform_tests.services.servers.process_tree import as_account
from foss_platform_tests.services.servers.programs import DOCKER, postgres_programs
from foss_platform_tests.services.servers.readiness import NotReady


class Postgres(Server):
    """Postgres with the databases and roles of `docker/postgres/databases.sql`."""

    name = "postgres"
    account = "postgres"
    # "fast" shutdown: disconnects the clients and keeps committed data
    stop_signal = signal.SIGINT

    def __init__(self) -> None:
        self.programs = postgres_programs()
        super().__init__()
        self.superuser_password = secrets.token_urlsafe(24)
        self.lake_password = secrets.token_urlsafe(24)
        self.dagster_password = secrets.token_urlsafe(24)
        for name in ("postgresql.conf", "pg_hba.conf"):
            # the account of Postgres may not be able to read the checkout
            copy = self.folder / name
            shutil.copyfile(DOCKER / "postgres" / name, copy)
            copy.chmod(0o644)

    def command(self) -> list[str]:
        """Return the command with the shipped files. The additional options are for the tests."""
        settings = {
            "config_file": self.folder / "postgresql.conf",
            "hba_file": self.folder / "pg_hba.conf",
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
        }
        given = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [str(self.programs / "postgres"), "-D", str(self.folder / "data"), *given]

    def environment(self) -> dict[str, str]:
        """Return no variables."""
        return {}

    def start(self) -> None:
        """Start the server. The first start creates a cluster and its databases."""
        is_new = not (self.folder / "data").exists()
        if is_new:
            self._make_cluster()
        super().start()
        if is_new:
            self._make_databases()

    def ask(self) -> None:
        """Run a query as the superuser."""
        try:
            self.run("select 1")
        except psycopg2.OperationalError as error:
            raise NotReady(str(error)) from error

    def run(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as the superuser, each in its own transaction."""
        connection = psycopg2.connect(
            host="127.0.0.1",
            port=self.port,
            user="postgres",
            password=self.superuser_password,
            dbname=database,
            connect_timeout=2,
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            connection.close()

    def make_database(self, name: str) -> str:
        """Create a database owned by the lake's role. Return its SQLAlchemy URL."""
        self.run(f'create database "{name}" owner lake')
        return f"postgresql+psycopg2://lake:{self.lake_password}@127.0.0.1:{self.port}/{name}?connect_timeout=5"

    def drop_database(self, name: str) -> None:
        """Drop a database and disconnect its clients."""
        self.run(f'drop database if exists "{name}" with (force)')

    def forget_dagster(self) -> None:
        """Drop all data of Dagster, because a daemon's heartbeats would outlive its test."""
        self.run("drop owned by dagster", database="dagster")

    def _make_cluster(self) -> None:
        password = self.folder / "password"
        password.touch(0o600)
        password.write_text(self.superuser_password)
        if self.runs_as is not None:
            shutil.chown(password, self.runs_as)
        options = ["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        made = subprocess.run(
            as_account(
                self.runs_as,
                [str(self.programs / "initdb"), "-D", str(self.folder / "data"), f"--pwfile={password}", *options],
            ),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        password.unlink()
        if made.returncode:
            raise ChildProcessError(f"initdb failed:\n{made.stdout}{made.stderr}")

    def _make_databases(self) -> None:
        address = f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"
        script = DOCKER / "postgres" / "databases.sql"
        subprocess.run(
            [str(self.programs / "psql"), "--no-psqlrc", "--quiet", "--dbname", address, "--file", str(script)],
            env={
                "PGPASSWORD": self.superuser_password,
                "LAKE_PASSWORD": self.lake_password,
                "DAGSTER_PASSWORD": self.dagster_password,
            },
            stdin=subprocess.DEVNULL,
            check=True,
        )
