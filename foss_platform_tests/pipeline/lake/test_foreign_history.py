"""Rollback, retention and maintenance of tables that another engine commits to."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from pyiceberg.catalog import Catalog
from pyiceberg.table import StaticTable

from foss_platform.lake.build.commit_and_compact import maintain_after_commit
from foss_platform.lake.build.rollback import plan_rollback, roll_back
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files.row_deletes import all_delete_files
from foss_platform.lake.files.table_files import Storage
from foss_platform.lake.maintenance.expire import expire
from foss_platform.lake.maintenance.health import table_health
from foss_platform.lake.maintenance.maintain import maintain
from foss_platform.lake.maintenance.referenced_files import references_of
from foss_platform.lake.maintenance.unreferenced_files import NOTES
from foss_platform.lake.snapshots.points import live_points, pinned_points, point_at, point_table
from foss_platform.lake.table.policy import MAX_LIVE_SNAPSHOTS, TablePolicy
from foss_platform.lake.table.positions import consumed_positions, own_position
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_table
from foss_platform.settings import Settings
from foss_platform_tests.foreign import merge_elsewhere
from foss_platform_tests.pipeline.cli.command_line import foss_in
from foss_platform_tests.pipeline.lake.two_days import (
    NAME,
    POSITION,
    SCHEMA,
    ids,
    is_clean,
    put,
    rows,
    two_days,
)


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    return two_days(settings)


def test_rollback_past_delete_files_and_to_a_snapshot_with_them(settings: Settings, catalog: Catalog) -> None:
    ours = live_points(load_table(catalog, NAME))[-1]
    with_deletes = live_points(merge_elsewhere(catalog, NAME, {1, 6}))[-1]
    later = live_points(merge_elsewhere(catalog, NAME, {2}, rows([50])))[-1]

    def back_to(moment: datetime) -> tuple[list[int], dict[str, tuple[str, int]]]:
        planned = plan_rollback(catalog, NAME, moment)
        assert planned.rows_now == len(ids(settings, load_table(catalog, NAME)))
        table = roll_back(catalog, planned)
        assert is_clean(table)
        found = ids(settings, table)
        assert planned.rows_then == len(found)
        return found, consumed_positions(table)

    position = {"s": ("u", 1)}
    assert back_to(ours.committed_at) == ([*range(10)], position)
    # the other engine recorded no positions, so the next build is a full rebuild
    assert back_to(with_deletes.committed_at) == ([0, 2, 3, 4, 5, 7, 8, 9], {})
    assert back_to(later.committed_at) == ([0, 3, 4, 5, 7, 8, 9, 50], {})
    assert back_to(ours.committed_at) == ([*range(10)], position)


def test_history_reports_the_engine_and_the_remaining_rows(
    settings: Settings, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    merge_elsewhere(catalog, NAME, {1, 6})
    code, out, _ = foss_in(settings.home, monkeypatch, capfd)("history", str(NAME), "--json")
    newest = json.loads(out)[0]
    assert (code, newest["made_by"], newest["rows"]) == (0, "trino", 8)


def test_many_foreign_commits_stay_within_the_snapshot_limits(settings: Settings, catalog: Catalog) -> None:
    most, files, metadata = 0, 0, load_table(catalog, NAME).metadata
    for number in range(45):
        table = merge_elsewhere(catalog, NAME, {number}, rows([number + 1]))
        maintain_after_commit(catalog, NAME, table)
        table = load_table(catalog, NAME)
        most = max(most, len(table.metadata.snapshots))
        files = max(files, len(all_delete_files(table)))
    assert most <= 30 < MAX_LIVE_SNAPSHOTS
    assert files < 20
    assert table.metadata.table_uuid == metadata.table_uuid
    assert ids(settings, table)[-1] == 45
    maintain(catalog, NAME, datetime.now(UTC), trigger="command")
    table = load_table(catalog, NAME)
    assert len(table.metadata.snapshots) <= 20
    assert is_clean(table)


def test_unmaintained_table_reports_the_need_for_maintenance(catalog: Catalog) -> None:
    for number in range(37):
        table = merge_elsewhere(catalog, NAME, rows=rows([100 + number]))
    assert table_health(table).needs == ()
    table = merge_elsewhere(catalog, NAME, rows=rows([200]))
    assert any("snapshots are outside the policy" in need for need in table_health(table).needs)
    maintain(catalog, NAME, datetime.now(UTC), trigger="command")
    table = load_table(catalog, NAME)
    assert len(table.metadata.snapshots) == 20
    assert table_health(table).needs == ()


def test_late_pin_has_no_position_that_was_not_recorded(settings: Settings) -> None:
    catalog = open_catalog(settings)
    with time_machine.travel(datetime(2026, 3, 1, 9, 50, tzinfo=UTC), tick=False) as clock:
        ensure_table(catalog, TableSpec(NAME, SCHEMA, policy=TablePolicy(keep_commits=1)))
        put(catalog, [0], properties=POSITION)
        for number in (1, 2, 3):
            clock.shift(timedelta(hours=1))
            merge_elsewhere(catalog, NAME, {number - 1}, rows([number]))
        expire(catalog, NAME)
        table = load_table(catalog, NAME)
        for hour, position in ((10, {"s": ("u", 1)}), (11, {}), (12, {})):
            point = point_at(table, datetime(2026, 3, 1, hour, tzinfo=UTC))
            then = point_table(table, point)
            assert point.is_pinned
            assert (consumed_positions(then), own_position(then)) == (position, point.sequence_number)
            assert then.scan().to_arrow()["id"].to_pylist() == [hour - 10]
        assert roll_back(catalog, plan_rollback(catalog, NAME, point.committed_at)).scan().count() == 1
        assert consumed_positions(load_table(catalog, NAME)) == {}


@pytest.mark.parametrize("ours", [0, 4], ids=["another engine alone", "both"])
def test_every_retained_hour_is_kept_regardless_of_the_writer(settings: Settings, ours: int) -> None:
    catalog = open_catalog(settings)
    with time_machine.travel(datetime(2026, 3, 1, 9, 50, tzinfo=UTC), tick=False) as clock:
        ensure_table(catalog, TableSpec(NAME, SCHEMA, policy=TablePolicy(keep_commits=5, keep_unreferenced_hours=0)))
        put(catalog, [0], properties=POSITION)
        held = {}
        for number in range(1, 60):
            clock.shift(timedelta(minutes=20))
            now = datetime.now(UTC)
            if now.minute < 20:
                held[now.replace(minute=0)] = number - 1
            if ours and number % ours == 0:
                put(catalog, [number], properties=POSITION)
            else:
                maintain_after_commit(catalog, NAME, merge_elsewhere(catalog, NAME, {number - 2}, rows([number])))
        maintain(catalog, NAME, datetime.now(UTC), trigger="command")
        table = load_table(catalog, NAME)
        assert len(table.metadata.snapshots) == 5
        for moment, newest in held.items():
            point = point_at(table, moment)
            plain = StaticTable.from_metadata(point.metadata_location, catalog.properties)
            then: list[Any] = plain.scan(snapshot_id=point.snapshot_id).to_arrow()["id"].to_pylist()
            assert max(then) == newest
        past = point_table(table, pinned_points(table)[-1])
        assert ids(settings, past)
        storage = Storage(table)
        found = references_of(table, pinned_points(table), storage.path_of)
        stored = {file.path for file in storage.list_files()}
        assert stored == found.needed.keys() | found.past | {f"{storage.root}/{NOTES}"}
