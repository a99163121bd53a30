"""What `foss validate` finds, as checks of the asset `ops/platform_health`; and the heartbeat of Dagster's daemon."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
import tenacity

from foss_platform.components.platform_health import PLATFORM_HEALTH_ASSET, platform_health_asset
from foss_platform.components.shared.loading import Platform
from foss_platform.definitions import build_defs
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.settings import Settings, Switch
from foss_platform.validation.results import Service, Status
from foss_platform.validation.suite import CHECKS, validate
from foss_platform.validation.trial import new_trial

pytestmark = pytest.mark.filterwarnings("ignore:Parameter `")


@pytest.fixture
def lake(settings: Settings) -> Settings:
    """An empty lake, in the home that the environment names."""
    open_catalog(settings)
    return settings


def verdicts(settings: Settings) -> tuple[dg.ExecuteInProcessResult, dict[str, dg.AssetCheckEvaluation]]:
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([platform_health_asset(Platform(settings), ["team:data-platform"])], instance=instance)
        assert result.success
        assert instance.get_latest_materialization_event(PLATFORM_HEALTH_ASSET) is not None
    return result, {verdict.check_name: verdict for verdict in result.get_asset_check_evaluations()}


def test_dagster_has_a_check_for_each(lake: Settings) -> None:
    result, found = verdicts(lake)
    assert found.keys() == {check.name for check in CHECKS}
    assert all(verdict.passed for verdict in found.values())
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert isinstance(metadata["results"], dg.TableMetadataValue)
    assert len(metadata["results"].records) == len(CHECKS)
    assert metadata["failed"].value == 0
    assert isinstance(metadata["seconds"].value, float)


def test_dagster_has_an_error_for_a_failure_and_a_warning_for_what_it_hides(lake: Settings) -> None:
    broken = lake.model_copy(update={"duckdb_memory_limit": "plenty"})
    _, found = verdicts(broken)
    refused = {name: verdict.severity for name, verdict in found.items() if not verdict.passed}
    assert refused == {
        "engine_starts": dg.AssetCheckSeverity.ERROR,
        "engine_reads_lake": dg.AssetCheckSeverity.WARN,
    }
    assert "Check FOSS_DUCKDB_MEMORY_LIMIT" in str(found["engine_starts"].description)


def test_the_page_brings_job_and_schedule(parsed_settings: Settings) -> None:
    defs = build_defs(Platform(parsed_settings))
    schedule = defs.resolve_schedule_def("validate_platform_schedule")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.job_name == "validate_platform"
    job = defs.resolve_job_def("validate_platform")
    assert job.asset_layer.selected_asset_keys == {PLATFORM_HEALTH_ASSET}
    off = build_defs(Platform(parsed_settings.model_copy(update={"automation": Switch.OFF})))
    assert off.resolve_schedule_def("validate_platform_schedule").default_status is dg.DefaultScheduleStatus.STOPPED


@contextmanager
def daemon_of(home: Path) -> Iterator[None]:
    """Dagster's own daemon over an instance, with no code location."""
    command = [str(Path(sys.executable).with_name("dagster-daemon")), "run", "--empty-workspace"]
    log = (home / "daemon.log").open("wb")
    process = subprocess.Popen(command, cwd=home, env={**os.environ, "DAGSTER_HOME": str(home)}, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def test_the_heartbeat_of_a_real_daemon(lake: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    checks = [check for check in CHECKS if check.service is Service.DAGSTER]

    def beats(settings: Settings = lake) -> tuple[Status, str]:
        result = list(validate(new_trial(settings), checks))[-1]
        return result.status, result.detail

    assert beats()[0] is Status.WARNING
    with daemon_of(home):
        tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda found: found[0] is not Status.PASSED),
            stop=tenacity.stop_after_delay(60),
            wait=tenacity.wait_fixed(0.2),
        )(beats)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        for beat in instance.get_daemon_heartbeats().values():
            instance.add_daemon_heartbeat(beat._replace(timestamp=beat.timestamp - 1_000))
    status, detail = beats()
    assert (status, "is not running" in detail) == (Status.WARNING, True)
    assert beats(lake.model_copy(update={"automation": Switch.OFF}))[0] is Status.SKIPPED
