"""Dagster's runs, events and schedules on Postgres, with the instance file that `docker/` ships."""

from pathlib import Path

import dagster as dg
import pytest

from foss_platform_tests.services.servers.postgres import Postgres


@dg.asset
def harmless() -> int:
    return 1


@pytest.fixture
def home(dagster_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in dagster_environment.items():
        monkeypatch.setenv(name, value)
    return Path(dagster_environment["DAGSTER_HOME"])


def test_a_run_survives_a_restart(home: Path, postgres: Postgres) -> None:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        result = dg.materialize([harmless], instance=instance)
        assert result.success
    postgres.restart()
    with dg.DagsterInstance.from_config(str(home)) as later:
        run = later.get_run_by_id(result.run_id)
        assert run is not None
        assert run.is_success
        assert later.get_latest_materialization_event(dg.AssetKey("harmless")) is not None
    # Dagster stores nothing in files
    assert list(home.rglob("*.db")) == []
