"""Maintenance in Dagster: the job, the tables' metadata and the check of every asset."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import time_machine

from foss_platform.components.shared.loading import Platform
from foss_platform.components.shared.table_health import health_verdict, look_at
from foss_platform.definitions import build_defs
from foss_platform.ingest.bronze.commit_polls import ensure_feed_tables
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.recording.feed_server import FeedServer
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.connect.sql_catalog import TransactionalSqlCatalog
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import MAX_LIVE_SNAPSHOTS
from foss_platform.lake.table.tables import load_table
from foss_platform.settings import Settings, Switch
from foss_platform_tests.pipeline.components.test_runs import answer
from foss_platform_tests.pipeline.ingest.feeds import ingest, poll_of
from foss_platform_tests.pipeline.maintenance.neglected_lake import SENSOR, Location, error_of, grow, lose_manifest
from foss_platform_tests.tables import read

LOG = dg.AssetKey(["ops", "maintenance_log"])
# not recorded for any table
PLATFORM = dg.AssetKey(["ops", "platform_health"])
PARKING = "stavanger_parking"
HEALTHY = "table_is_healthy"
NUMBERS = (
    "data_files",
    "average_file_bytes",
    "small_file_share",
    "live_snapshots",
    "manifests",
    "metadata_bytes",
    "delete_files",
)

pytestmark = pytest.mark.filterwarnings("ignore:Parameter `", "ignore:sqlglotrs", "ignore:Class `")


def files_of(settings: Settings) -> set[Path]:
    return {path for path in (settings.home / "warehouse").rglob("*") if path.is_file()}


@pytest.fixture
def location(parsed_settings: Settings) -> Iterator[Location]:
    made = Location(parsed_settings)
    yield made
    made.instance.dispose()


def shown(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """Return the metadata of the run's materialization or observation as plain values."""
    (event,) = [e for e in result.all_events if e.event_type_value in ("ASSET_MATERIALIZATION", "ASSET_OBSERVATION")]
    data: Any = event.event_specific_data
    metadata = (data.materialization if event.is_step_materialization else data.asset_observation).metadata
    return {key: getattr(value, "value", value) for key, value in metadata.items()}


def lines(metadata: dict[str, Any]) -> dict[str, dict[str, Any]]:
    records = (
        metadata["maintenance"].records if hasattr(metadata["maintenance"], "records") else metadata["maintenance"]
    )
    return {record.data["table"]: dict(record.data) for record in records}


def test_job_compacts_deletes_and_reports(location: Location) -> None:
    grow(location.settings, "gold.things", 25)
    rows, before = read(location.settings, "gold.things"), files_of(location.settings)
    result = location.maintenance(keep_unreferenced_hours=0)
    assert result.success, error_of(result)
    metadata = shown(result)
    line = lines(metadata)["gold.things"]
    assert (line["compacted"], line["into"], line["problem"]) == (25, 1, "")
    assert line["deleted"] > 0
    assert line["bytes_freed"] == metadata["bytes_freed"] > 0
    assert (metadata["bytes_reclaimable"], metadata["tables"], metadata["tables_failed"]) == (0, 2, 0)
    gone = before - files_of(location.settings)
    assert len(gone) == line["deleted"]
    assert read(location.settings, "gold.things") == rows
    logged = read(location.settings, "ops.maintenance_log")
    assert {(row["table"], row["action"], row["trigger"]) for row in logged} == {
        ("gold.things", "compact", "maintenance"),
        ("gold.things", "remove_files", "maintenance"),
    }
    assert sum(row["bytes_freed"] for row in logged) == metadata["bytes_freed"]
    # what Dagster plots
    assert all(isinstance(metadata[name], int | float) for name in (*NUMBERS, "bytes_freed", "bytes_reclaimable"))
    assert [(check.check_name, check.passed) for check in result.get_asset_check_evaluations()] == [(HEALTHY, True)]


def test_retained_files_are_deleted_after_their_time(location: Location) -> None:
    with time_machine.travel(datetime(2044, 3, 1, 12, 30, tzinfo=UTC)) as clock:
        grow(location.settings, "gold.things", 25)
        first = shown(location.maintenance(tables=["gold.things"]))
        assert first["bytes_freed"] == 0
        assert first["bytes_reclaimable"] > 0
        clock.shift(timedelta(hours=7))
        second = shown(location.maintenance(tables=["gold.things"]))
    assert second["bytes_freed"] == first["bytes_reclaimable"]
    assert second["bytes_reclaimable"] == 0


def test_a_dry_run_changes_nothing(location: Location) -> None:
    grow(location.settings, "gold.things", 25)
    before = files_of(location.settings)
    result = location.maintenance(dry_run=True, keep_unreferenced_hours=0)
    assert result.success, error_of(result)
    metadata = shown(result)
    assert files_of(location.settings) == before
    assert (metadata["dry_run"], metadata["bytes_freed"]) == (True, 0)
    assert metadata["bytes_reclaimable"] > 0
    assert lines(metadata)["gold.things"]["deleted"] > 0
    assert location.instance.get_latest_materialization_event(LOG) is None


def test_damaged_table_is_reported_and_the_others_are_maintained(location: Location) -> None:
    lose_manifest(grow(location.settings, "gold.broken", 3))
    grow(location.settings, "gold.things", 25)
    before = files_of(location.settings)
    result = location.maintenance(keep_unreferenced_hours=0)
    assert not result.success
    assert error_of(result).startswith("1 of 3 tables could not be maintained. gold.broken: ")
    metadata = shown(result)
    assert lines(metadata)["gold.broken"]["problem"]
    assert lines(metadata)["gold.things"]["compacted"] == 25
    assert metadata["tables_failed"] == 1
    assert not [path for path in before - files_of(location.settings) if "broken" in path.parts]


def test_an_unknown_table_is_refused_for_good(location: Location) -> None:
    grow(location.settings, "gold.things", 1)
    result = location.maintenance(tables=["gold.thongs"])
    assert not result.success
    assert "There is no table gold.thongs" in error_of(result)
    run = location.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags["dagster/max_retries"] == "0"


def test_missing_poll_log_rows_are_added_first(location: Location, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    # as a REST catalog
    monkeypatch.setattr(TransactionalSqlCatalog, "commits_together", False)
    catalog = open_catalog(location.settings)
    record = {"Dato": "05.01.2026", "Klokkeslett": "10:59", "Sted": "A", "Latitude": "58", "Longitude": "5"}
    written = ingest(catalog, feed, poll_of(feed, 0, {**record, "Antall_ledige_plasser": "7"}))
    assert (written.rows, written.rejected) == (1, 0)
    logged = read(location.settings, "ops.polls")
    # as after a crash between the commits of bronze and the log
    catalog.drop_table("ops.polls")
    ensure_feed_tables(catalog, feed)
    assert location.maintenance().success
    assert read(location.settings, "ops.polls") == logged


def test_run_reports_the_health_of_each_of_its_tables(location: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    job = location.defs.resolve_job_def(PARKING)
    with FeedServer([answer(0)], pace=1.0) as server:
        monkeypatch.setenv("STAVANGER_PARKING_URL", server.url)
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        result = job.execute_in_process(instance=location.instance, raise_on_error=False, run_config=quiet)
    assert result.success, error_of(result)
    for key in {*job.asset_layer.selected_asset_keys, dg.AssetKey(["ops", "polls"])}:
        event = location.instance.get_latest_materialization_event(key)
        assert event is not None, key
        assert event.asset_materialization is not None
        metadata = event.asset_materialization.metadata
        assert all(isinstance(metadata[name].value, int | float) for name in NUMBERS), key
        record = location.instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(key, HEALTHY))
        assert record is not None, key
        assert record.run_id == result.run_id
        assert record.evaluation is not None
        assert record.evaluation.passed


def test_maintenance_is_off_by_default_if_automation_is_off(parsed_settings: Settings) -> None:
    for switch in Switch:
        defs = build_defs(Platform(parsed_settings.model_copy(update={"automation": switch})))
        statuses = [
            defs.resolve_schedule_def(f"{name}_schedule").default_status for name in ("maintenance", "prune_history")
        ]
        assert {status.value for status in statuses} == {"RUNNING" if switch is Switch.ON else "STOPPED"}
        assert defs.resolve_sensor_def(SENSOR).default_status.value == statuses[0].value
    schedule = defs.resolve_schedule_def("maintenance_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("17 */3 * * *", "UTC")


def test_every_asset_has_the_check_and_it_never_blocks(location: Location) -> None:
    graph = location.defs.resolve_asset_graph()
    checks = [key for key in graph.asset_check_keys if key.name == HEALTHY]
    tables = {spec.key for spec in location.defs.resolve_all_asset_specs() if "iceberg" in spec.kinds}
    assert LOG in tables
    assert {key.asset_key for key in checks} == tables - {PLATFORM}
    assert not any(graph.get(key).blocking for key in checks)


def test_the_check_warns_of_tags_and_of_files_that_wait(settings: Settings) -> None:
    key = dg.AssetKey(["gold", "tagged"])
    waiting = health_verdict(key, look_at(grow(settings, "gold.needy", 20, compact_at_files=2)))
    assert (waiting.passed, waiting.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert waiting.description == "20 small files wait to be merged"
    table = grow(settings, "gold.tagged", 1)
    assert health_verdict(key, look_at(table)).passed
    for number in range(MAX_LIVE_SNAPSHOTS + 1):
        table = grow(settings, "gold.tagged", 1)
        snapshot = table.current_snapshot()
        assert snapshot is not None
        table.manage_snapshots().create_tag(snapshot.snapshot_id, f"kept-{number}").commit()
    verdict = health_verdict(key, look_at(load_table(open_catalog(settings), TableName("gold", "tagged"))))
    assert not verdict.passed
    assert "live snapshots (61 tagged) slow down every commit" in str(verdict.description)
