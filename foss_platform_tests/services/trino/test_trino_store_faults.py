"""The object store is unavailable while Trino builds: one clear error in time, and the next run repairs the tables."""

import time
from collections.abc import Callable, Iterator

import pytest

from foss_platform.engine import Engine
from foss_platform_tests.services.lakes import Kind
from foss_platform_tests.services.servers.minio import Minio
from foss_platform_tests.services.servers.process import Server
from foss_platform_tests.services.trino.building import Standing, when_the_run_has_begun
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake

#: Trino waits for 10 s, and retries four times (`docker/trino/lake/store-s3.properties`).
_SECONDS = 120.0

pytestmark = pytest.mark.parametrize("trino_kind", [Kind.POSTGRES_MINIO])


@pytest.fixture
def standing(trino: TrinoOnLake, minio: Minio, monkeypatch: pytest.MonkeyPatch) -> Iterator[Standing]:
    """The lake after one build, with new polls."""
    monkeypatch.setenv("FOSS_ENGINE", Engine.TRINO.value)
    made = Standing(trino)
    made.more()
    yield made
    minio.revive()


@pytest.mark.parametrize(("away", "full_refresh"), [(Server.kill, True), (Server.kill, False), (Server.freeze, False)])
def test_unavailable_after_the_start_of_the_run(
    standing: Standing, minio: Minio, away: Callable[[Server], None], full_refresh: bool
) -> None:
    before = standing.at()
    began = time.monotonic()
    with when_the_run_has_begun(lambda: away(minio)):
        result = standing.told(standing.results(full_refresh=full_refresh))
    assert time.monotonic() - began < _SECONDS
    assert "store" in result.message
    assert not result.is_lasting
    minio.revive()
    assert standing.at() == before
    standing.heal()
