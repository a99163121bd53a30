"""Fixtures for the servers, one of each per worker and session, and for the lake of a test, in four kinds."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from foss_platform_tests.services.lakes import Kind, Lake, made_lake, set_environment
from foss_platform_tests.services.servers.minio import Minio
from foss_platform_tests.services.servers.postgres import Postgres
from foss_platform_tests.services.servers.process import running
from foss_platform_tests.services.servers.programs import DOCKER
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake, made_trino
from foss_platform_tests.services.trino_security.attacks import under_attack


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A Postgres for all tests of this worker."""
    with running(Postgres()) as server:
        yield server


@pytest.fixture(scope="session")
def minio() -> Iterator[Minio]:
    """A MinIO for all tests of this worker."""
    with running(Minio()) as server:
        yield server


@pytest.fixture
def dagster_environment(postgres: Postgres, tmp_path: Path) -> dict[str, str]:
    """An empty Dagster home with the instance file that `docker/` ships, and the environment of its database."""
    postgres.forget_dagster()
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copy(DOCKER / "dagster" / "dagster.yaml", home)
    return {
        "DAGSTER_HOME": str(home),
        "DAGSTER_POSTGRES_HOST": "127.0.0.1",
        "DAGSTER_POSTGRES_PORT": str(postgres.port),
        "DAGSTER_PASSWORD": postgres.dagster_password,
    }


@pytest.fixture(scope="session")
def trino_on_folder(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrinoOnLake]:
    """A Trino on Postgres and a folder for all tests of this worker. Call `renew` before use."""
    with made_trino(Kind.POSTGRES_FOLDER, tmp_path_factory.mktemp("trino"), postgres, None) as made:
        yield made


@pytest.fixture(scope="session")
def trino_on_minio(postgres: Postgres, minio: Minio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrinoOnLake]:
    """A Trino on Postgres and MinIO for all tests of this worker. Call `renew` before use."""
    with made_trino(Kind.POSTGRES_MINIO, tmp_path_factory.mktemp("trino"), postgres, minio) as made:
        yield made


@pytest.fixture(scope="module")
def attacked(trino_on_folder: TrinoOnLake) -> Iterator[TrinoOnLake]:
    """A Trino with tables to attack, which must be unchanged after the tests of a module."""
    with under_attack(trino_on_folder) as stand:
        yield stand


@pytest.fixture
def trino_kind() -> Kind:
    """The kind of lake for `trino`. Parametrize it to choose."""
    return Kind.POSTGRES_FOLDER


@pytest.fixture
def trino(trino_kind: Kind, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> TrinoOnLake:
    """A Trino on an empty lake, both named by environment variables as in production."""
    found: TrinoOnLake = request.getfixturevalue("trino_on_minio" if trino_kind.has_minio else "trino_on_folder")
    found.renew()
    found.set_environment(monkeypatch)
    return found


@pytest.fixture(params=list(Kind))
def kind(request: pytest.FixtureRequest) -> Kind:
    """The kind of lake. Parametrize it to choose some."""
    chosen: Kind = request.param
    return chosen


@pytest.fixture
def lake(kind: Kind, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Lake]:
    """An empty lake for one test, named by environment variables as in production."""
    # requested by name, so that a test on files starts no server
    postgres = request.getfixturevalue("postgres") if kind.has_postgres else None
    minio = request.getfixturevalue("minio") if kind.has_minio else None
    with made_lake(kind, tmp_path / "home", postgres, minio) as made:
        set_environment(monkeypatch, made.environment)
        yield made


@pytest.fixture
def store(lake: Lake) -> Iterator[Minio]:
    """The lake's object store, which is revived after the test."""
    assert lake.store_server is not None
    yield lake.store_server
    lake.store_server.ensure_running()
