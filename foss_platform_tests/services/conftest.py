"""The servers, one of each for a worker's whole session, and the lake that each test runs over four times."""

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
    """Where Dagster keeps nothing yet: a home with the file that `docker/` ships, and the database that it names."""
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
    """A Trino for all tests of this worker, over Postgres and a folder; `renew` it before use."""
    with made_trino(Kind.POSTGRES_FOLDER, tmp_path_factory.mktemp("trino"), postgres, None) as made:
        yield made


@pytest.fixture(scope="session")
def trino_on_minio(postgres: Postgres, minio: Minio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrinoOnLake]:
    """The same over Postgres and MinIO."""
    with made_trino(Kind.POSTGRES_MINIO, tmp_path_factory.mktemp("trino"), postgres, minio) as made:
        yield made


@pytest.fixture
def trino_kind() -> Kind:
    """Which of the two lakes `trino` is on: parametrise it to choose."""
    return Kind.POSTGRES_FOLDER


@pytest.fixture
def trino(trino_kind: Kind, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> TrinoOnLake:
    """A Trino on an empty lake, both named by the environment as production's are."""
    found: TrinoOnLake = request.getfixturevalue("trino_on_minio" if trino_kind.has_minio else "trino_on_folder")
    found.renew()
    found.set_environment(monkeypatch)
    return found


@pytest.fixture(params=list(Kind))
def kind(request: pytest.FixtureRequest) -> Kind:
    """Which kind of lake: parametrise it to choose some."""
    chosen: Kind = request.param
    return chosen


@pytest.fixture
def lake(kind: Kind, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Lake]:
    """An empty lake of the test's own, named by the environment as production's is."""
    # asked for by name: a test over files starts no server
    postgres = request.getfixturevalue("postgres") if kind.has_postgres else None
    minio = request.getfixturevalue("minio") if kind.has_minio else None
    with made_lake(kind, tmp_path / "home", postgres, minio) as made:
        set_environment(monkeypatch, made.environment)
        yield made


@pytest.fixture
def store(lake: Lake) -> Iterator[Minio]:
    """The lake's object store, which answers again whatever a test has done to it."""
    assert lake.store_server is not None
    yield lake.store_server
    lake.store_server.revive()
