"""Dagster's runs, events and schedules on Postgres, with the instance's file that `docker/` ships."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from foss_platform_tests.services.places import DOCKER
from foss_platform_tests.services.postgres import Postgres


@dg.asset
def harmless() -> int:
    return 1


@pytest.fixture
def instance(postgres: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dg.DagsterInstance:
    shutil.copy(DOCKER / "dagster" / "dagster.yaml", tmp_path)
    monkeypatch.setenv("DAGSTER_POSTGRES_HOST", "127.0.0.1")
    monkeypatch.setenv("DAGSTER_POSTGRES_PORT", str(postgres.port))
    monkeypatch.setenv("DAGSTER_PASSWORD", postgres.dagster_password)
    return dg.DagsterInstance.from_config(str(tmp_path))


def test_a_run_is_kept_over_a_restart(instance: dg.DagsterInstance, postgres: Postgres, tmp_path: Path) -> None:
    with instance:
        result = dg.materialize([harmless], instance=instance)
        assert result.success
    postgres.restart()
    with dg.DagsterInstance.from_config(str(tmp_path)) as later:
        run = later.get_run_by_id(result.run_id)
        assert run is not None
        assert run.is_success
        assert later.get_latest_materialization_event(dg.AssetKey("harmless")) is not None
    # nothing that Dagster stores is in a file
    assert list(tmp_path.rglob("*.db")) == []
