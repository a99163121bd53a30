"""The object store is unavailable while Trino builds: one clear error in time, and the next run repairs the tables."""

import time
from collections.abc import Callable, Iterator

import pytest

from foss_platform.engine import Engine
from foss_platform_tests.services.lakes import Kind
from foss_platform_tests.services.servers.minio import Minio
from foss_platform_tests.services.servers.process import Server
from foss_platform_tests.services.trino.building import TrinoPipeline, when_the_run_has_begun
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake

#: Trino waits for 10 s, and retries four times (`docker/trino/lake/store-s3.properties`).
_SECONDS = 120.0

pytestmark = pytest.mark.parametrize("trino_kind", [Kind.POSTGRES_MINIO])


@pytest.fixture
def trino_pipeline(trino: TrinoOnLake, minio: Minio, monkeypatch: pytest.MonkeyPatch) -> Iterator[TrinoPipeline]:
    """The lake after one build, with new polls."""
    monkeypatch.setenv("FOSS_ENGINE", Engine.TRINO.value)
    made = TrinoPipeline(trino)
    made.more()
    yield made
    minio.ensure_running()


@pytest.mark.parametrize(("away", "full_refresh"), [(Server.kill, True), (Server.kill, False), (Server.freeze, False)])
def test_unavailable_after_the_start_of_the_run(
    trino_pipeline: TrinoPipeline, minio: Minio, away: Callable[[Server], None], full_refresh: bool
) -> None:
    before = trino_pipeline.at()
    began = time.monotonic()
    with when_the_run_has_begun(lambda: away(minio)):
        result = trino_pipeline.told(trino_pipeline.results(full_refresh=full_refresh))
    assert time.monotonic() - began < _SECONDS
    assert "store" in result.message
    assert not result.is_permanent
    minio.ensure_running()
    assert trino_pipeline.at() == before
    trino_pipeline.heal()
