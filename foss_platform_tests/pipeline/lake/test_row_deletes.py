"""Delete files of another engine: a commit of ours that replaces takes all of them out, and no row comes back."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
import time_machine
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import ValidationException
from pyiceberg.manifest import DataFileContent, ManifestContent
from pyiceberg.table import StaticTable, Table

from foss_platform.errors import LastingError, PassingError
from foss_platform.lake.build.commit_and_compact import Change, commit, keep_up
from foss_platform.lake.build.rollback import plan_rollback, roll_back
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files.data_files import EVERY_ROW, DataFiles, Slices
from foss_platform.lake.files.row_deletes import all_delete_files, has_delete_files, replacement
from foss_platform.lake.files.table_files import Storage
from foss_platform.lake.maintenance import compaction
from foss_platform.lake.maintenance.compaction import compact
from foss_platform.lake.maintenance.expire_snapshots import expire
from foss_platform.lake.maintenance.health import table_health
from foss_platform.lake.maintenance.maintain import maintain
from foss_platform.lake.maintenance.referenced_files import references_of
from foss_platform.lake.maintenance.removal import NOTES
from foss_platform.lake.query.duckdb_views import connect, pin
from foss_platform.lake.snapshots.points import live_points, pinned_points, point_at, point_table
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import MAX_LIVE_SNAPSHOTS, TablePolicy
from foss_platform.lake.table.positions import consumed_positions, own_position
from foss_platform.lake.table.statistics import table_size
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_table
from foss_platform.settings import Settings
from foss_platform_tests.foreign import merge_elsewhere
from foss_platform_tests.pipeline.cli.command_line import foss_in

NAME = TableName("silver", "things")
SCHEMA = pa.schema([("id", pa.int64()), ("at", pa.timestamp("us", tz="UTC"))])
DAY = datetime(2026, 3, 1, tzinfo=UTC)
POSITION = {"foss.position.s": "u:1"}


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    """Two days of five rows each, a file a day."""
    catalog = open_catalog(settings)
    ensure_table(catalog, TableSpec(NAME, SCHEMA, key=("id",), cluster_by="at"))
    for day in (0, 1):
        put(catalog, range(5 * day, 5 * day + 5), day, properties=POSITION)
    return catalog


def rows(numbers: range | list[int], day: int = 0) -> pa.Table:
    at = DAY + timedelta(days=day)
    return pa.Table.from_pylist([{"id": number, "at": at} for number in numbers], schema=SCHEMA)


def put(catalog: Catalog, numbers: range | list[int], day: int = 0, **change: object) -> Table:
    return commit(catalog, NAME, lambda _: Change(rows(numbers, day), **change))  # type: ignore[arg-type]


def day_of(day: int) -> Slices:
    start = DAY + timedelta(days=day)
    return Slices("at", ((start.isoformat(), (start + timedelta(days=1)).isoformat()),))


def ids(settings: Settings, table: Table) -> list[int]:
    """What PyIceberg reads and DuckDB alike."""
    numbers: list[Any] = table.scan().to_arrow()["id"].to_pylist()
    found = sorted(numbers)
    connection = connect(settings)
    read = connection.execute(f"select id from {pin(NAME, table).relation} order by id").fetchall()
    assert [number for (number,) in read] == found
    return found


def leave_dangling(catalog: Catalog) -> Table:
    """Replace all files as PyIceberg itself does, which forgets the delete files."""
    table = load_table(catalog, NAME)
    with table.transaction() as transaction:
        producer = transaction.update_snapshot().overwrite()
        for task in table.scan().plan_files():
            producer.delete_data_file(task.file)
        producer.commit()
    return load_table(catalog, NAME)


def is_clean(table: Table) -> bool:
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    totals = snapshot.summary.additional_properties
    assert has_delete_files(table) is (totals["total-delete-files"] != "0")
    manifests = snapshot.manifests(table.io)
    return not has_delete_files(table) and all(manifest.content == ManifestContent.DATA for manifest in manifests)


def test_a_replacement_takes_all_of_them_out_and_what_they_deleted_stays_deleted(
    settings: Settings, catalog: Catalog
) -> None:
    table = merge_elsewhere(catalog, NAME, {1, 2, 6}, rows([100], day=1))
    assert ids(settings, table) == [0, 3, 4, 5, 7, 8, 9, 100]
    assert table_size(table).rows == 8
    # the last of the first file's rows go, and of the second file more than before
    table = merge_elsewhere(catalog, NAME, {0, 3, 4, 7})
    assert not is_clean(table)
    table = put(catalog, [20], day=2, replaces=day_of(2))
    assert is_clean(table)
    assert ids(settings, table) == [5, 8, 9, 20, 100]
    assert table_size(table).rows == 5
    assert sorted(task.file.record_count for task in table.scan().plan_files()) == [1, 1, 3]


def test_replacing_every_row_takes_them_out(settings: Settings, catalog: Catalog) -> None:
    merge_elsewhere(catalog, NAME, {1, 6})
    table = put(catalog, [50], replaces=EVERY_ROW)
    assert is_clean(table)
    assert ids(settings, table) == [50]


def test_an_append_leaves_them(settings: Settings, catalog: Catalog) -> None:
    before = all_delete_files(merge_elsewhere(catalog, NAME, {1, 6}))
    # more than it takes for manifests to be merged
    for number in range(50, 58):
        table = put(catalog, [number])
    assert all_delete_files(table) == before
    assert ids(settings, table) == [0, 2, 3, 4, 5, *range(7, 10), *range(50, 58)]


def test_no_file_is_looked_at_where_there_are_none(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    table = load_table(catalog, NAME)
    monkeypatch.setattr(type(table), "scan", None)
    monkeypatch.setattr("pyiceberg.table.snapshots.Snapshot.manifests", None)
    assert not has_delete_files(table)
    assert all_delete_files(table) == []


def test_a_silent_summary_is_no_answer(catalog: Catalog) -> None:
    table = merge_elsewhere(catalog, NAME, {1})
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    del snapshot.summary.additional_properties["total-delete-files"]
    assert has_delete_files(table)


@pytest.mark.parametrize("heal", ["maintenance", "replacement", "every row"])
def test_those_that_outlived_their_files_are_named_and_go(settings: Settings, catalog: Catalog, heal: str) -> None:
    merge_elsewhere(catalog, NAME, {1, 6, 7})
    table = leave_dangling(catalog)
    assert len(all_delete_files(table)) == 2
    assert table_health(table).needs == ("2 delete files outlived their data files, so DuckDB may fail to read it",)
    if heal == "maintenance":
        maintain(catalog, NAME, datetime.now(UTC), trigger="command")
    else:
        put(catalog, [9], replaces=EVERY_ROW if heal == "every row" else day_of(0))
        put(catalog, [9], replaces=EVERY_ROW if heal == "every row" else day_of(0))
    table = load_table(catalog, NAME)
    assert is_clean(table)
    assert table_health(table).needs == ()
    assert ids(settings, table) == ([] if heal == "maintenance" else [9])


def test_pyiceberg_alone_would_refuse_what_ours_does(catalog: Catalog) -> None:
    """Where this fails, PyIceberg takes delete files out itself, and `lake/files/row_deletes.py` can go."""
    table = merge_elsewhere(catalog, NAME, {1})
    producer = table.transaction().update_snapshot().overwrite()
    for file in [*(task.file for task in table.scan().plan_files()), *all_delete_files(table)]:
        producer.delete_data_file(file)
    with pytest.raises(ValidationException, match="Missing required files to delete"):
        producer.commit()


def test_what_is_not_there_cannot_be_taken_out(catalog: Catalog) -> None:
    """Where this fails, PyIceberg's check of required deletes is no longer the one that ours extends."""
    first = merge_elsewhere(catalog, NAME, {1})
    gone = [task.file for task in first.scan().plan_files()]
    put(catalog, [50], replaces=EVERY_ROW)
    table = merge_elsewhere(catalog, NAME, {50})
    standing = [task.file for task in table.scan().plan_files()]
    producer = replacement(table.transaction(), table, [*standing, *gone], {})
    with pytest.raises(ValidationException, match="Missing required files to delete"):
        producer.commit()


def test_a_data_file_never_loses_its_delete_files(settings: Settings, catalog: Catalog) -> None:
    table = merge_elsewhere(catalog, NAME, {1, 6})
    first = next(iter(table.scan().plan_files())).file
    with pytest.raises(LastingError, match="would restore deleted rows in 1 files"):
        commit(catalog, NAME, lambda _: Change(files=DataFiles([], [first])))
    assert ids(settings, load_table(catalog, NAME)) == [0, 2, 3, 4, 5, 7, 8, 9]


def test_a_merge_takes_what_they_cover_whatever_the_counts(settings: Settings, catalog: Catalog) -> None:
    merge_elsewhere(catalog, NAME, {1, 6})
    assert compact(catalog, NAME, max_rows=4).files_before == 0
    assert not is_clean(load_table(catalog, NAME))
    done = compact(catalog, NAME, max_rows=5)
    assert (done.files_before, done.rows) == (2, 8)
    table = load_table(catalog, NAME)
    assert is_clean(table)
    assert ids(settings, table) == [0, 2, 3, 4, 5, 7, 8, 9]


def test_what_is_deleted_elsewhere_during_a_merge_stays_deleted(
    settings: Settings, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge_elsewhere(catalog, NAME, {1})
    rewrite: Callable[..., object] = compaction._rewrite

    def interrupted(*arguments: object) -> object:
        merge_elsewhere(catalog, NAME, {3})
        return rewrite(*arguments)

    monkeypatch.setattr(compaction, "_rewrite", interrupted)
    with pytest.raises(PassingError, match="during the merge"):
        compact(catalog, NAME)
    monkeypatch.undo()
    compact(catalog, NAME)
    table = load_table(catalog, NAME)
    assert is_clean(table)
    assert ids(settings, table) == [0, 2, 4, 5, 6, 7, 8, 9]


def test_equality_deletes_are_refused_and_named(catalog: Catalog) -> None:
    before = live_points(load_table(catalog, NAME))[-1]
    table = merge_elsewhere(catalog, NAME, {1}, content=DataFileContent.EQUALITY_DELETES)
    for attempt in (
        lambda: put(catalog, [1], replaces=day_of(0)),
        lambda: put(catalog, [1], replaces=EVERY_ROW),
        lambda: compact(catalog, NAME),
        lambda: roll_back(catalog, plan_rollback(catalog, NAME, before.committed_at)),
        lambda: maintain(catalog, NAME, datetime.now(UTC), trigger="command"),
    ):
        with pytest.raises(LastingError, match="has equality deletes"):
            attempt()
    assert load_table(catalog, NAME).metadata_location == table.metadata_location
    assert "equality deletes cannot be applied" in table_health(table).needs[0]


def test_back_over_them_and_to_a_state_that_holds_them(settings: Settings, catalog: Catalog) -> None:
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
    # nobody noted how far another engine had read, so the next build is a whole one
    assert back_to(with_deletes.committed_at) == ([0, 2, 3, 4, 5, 7, 8, 9], {})
    assert back_to(later.committed_at) == ([0, 3, 4, 5, 7, 8, 9, 50], {})
    assert back_to(ours.committed_at) == ([*range(10)], position)


def test_history_names_the_engine_and_counts_what_is_left(
    settings: Settings, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    merge_elsewhere(catalog, NAME, {1, 6})
    code, out, _ = foss_in(settings.home, monkeypatch, capfd)("history", str(NAME), "--json")
    newest = json.loads(out)[0]
    assert (code, newest["made_by"], newest["rows"]) == (0, "trino", 8)


def test_many_commits_of_another_engine_stay_within_the_limits(settings: Settings, catalog: Catalog) -> None:
    most, files, metadata = 0, 0, load_table(catalog, NAME).metadata
    for number in range(45):
        table = merge_elsewhere(catalog, NAME, {number}, rows([number + 1]))
        keep_up(catalog, NAME, table)
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


def test_a_table_nobody_kept_up_calls_for_maintenance_and_gets_it(catalog: Catalog) -> None:
    for number in range(37):
        table = merge_elsewhere(catalog, NAME, rows=rows([100 + number]))
    assert table_health(table).needs == ()
    table = merge_elsewhere(catalog, NAME, rows=rows([200]))
    assert any("snapshots are outside the policy" in need for need in table_health(table).needs)
    maintain(catalog, NAME, datetime.now(UTC), trigger="command")
    table = load_table(catalog, NAME)
    assert len(table.metadata.snapshots) == 20
    assert table_health(table).needs == ()


def test_a_pin_that_comes_late_claims_no_position_that_nobody_noted(settings: Settings) -> None:
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
def test_each_promised_hour_is_kept_whoever_ended_its_state(settings: Settings, ours: int) -> None:
    catalog = open_catalog(settings)
    with time_machine.travel(datetime(2026, 3, 1, 9, 50, tzinfo=UTC), tick=False) as clock:
        ensure_table(catalog, TableSpec(NAME, SCHEMA, policy=TablePolicy(keep_commits=5, spare_hours=0)))
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
                keep_up(catalog, NAME, merge_elsewhere(catalog, NAME, {number - 2}, rows([number])))
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
