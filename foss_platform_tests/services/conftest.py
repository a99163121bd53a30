"""The servers, one of each for a worker's whole session, and the lake that each test runs over four times."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from foss_platform_tests.services.lakes import Kind, Lake, made_lake, set_environment
from foss_platform_tests.services.minio import Minio
from foss_platform_tests.services.postgres import Postgres
from foss_platform_tests.services.process import running


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
