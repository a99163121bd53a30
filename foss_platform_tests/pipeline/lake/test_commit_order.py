"""Clock changes between commits: no commit has an earlier time than the previous commit."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
import time_machine
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table, Transaction
from pyiceberg.table.update.snapshot import ManageSnapshots

from foss_platform.lake.build.commit_and_compact import commit
from foss_platform.lake.build.derived import adapt_columns
from foss_platform.lake.build.rollback import plan_rollback, roll_back
from foss_platform.lake.commit.commit_with_retry import Change, alter, apply_change
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.connect.commit_order import moment_of, newest_commit
from foss_platform.lake.files.data_files import EVERY_ROW
from foss_platform.lake.maintenance.compaction import compact
from foss_platform.lake.maintenance.expire import expire
from foss_platform.lake.maintenance.health import table_health
from foss_platform.lake.maintenance.maintain import maintain
from foss_platform.lake.snapshots.points import live_points, pinned_points, point_at, point_table
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import TablePolicy
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_table
from foss_platform.settings import Settings
from foss_platform_tests.iceberg_rules import is_strictly_ordered, refusals

NAME = TableName("gold", "things")
SCHEMA = pa.schema([("id", pa.int64())])
START = datetime(2044, 3, 1, 11, 30, tzinfo=UTC)
JUMPS = {
    "5 s back": (timedelta(seconds=-5),),
    "an hour back": (timedelta(hours=-1),),
    "a day back": (timedelta(days=-1),),
    "a year back": (timedelta(days=-365),),
    "a year forward and back": (timedelta(days=365), timedelta(days=-365)),
    "back, then right again": (timedelta(days=-2), timedelta(days=2)),
}


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(START, tick=True) as clock:
        yield clock


@pytest.fixture
def catalog(clock: time_machine.Traveller, settings: Settings) -> Catalog:
    catalog = open_catalog(settings)
    policy = TablePolicy(keep_commits=4, compact_at_files=2)
    ensure_table(catalog, TableSpec(NAME, SCHEMA, key=("id",), policy=policy))
    return catalog


def rows(*ids: int) -> pa.Table:
    return pa.table({"id": ids}, schema=SCHEMA)


def append(catalog: Catalog, number: int) -> Table:
    return apply_change(catalog, NAME, lambda _: Change(rows(number)))


def overwrite(catalog: Catalog, number: int) -> Table:
    return apply_change(catalog, NAME, lambda _: Change(rows(number), EVERY_ROW))


def set_property(catalog: Catalog, number: int) -> Table:
    def change(_: Table, transaction: Transaction) -> None:
        transaction.set_properties({"number": str(number)})

    return alter(catalog, NAME, change)


def change_schema(catalog: Catalog, number: int) -> Table:
    schema = pa.schema([*SCHEMA, (f"added_{number}", pa.string())])
    return adapt_columns(catalog, NAME, load_table(catalog, NAME), schema)


def expire_some(catalog: Catalog, number: int) -> Table:
    def keep_one(_: Table, transaction: Transaction) -> None:
        transaction.set_properties({"history.expire.min-snapshots-to-keep": "1"})

    alter(catalog, NAME, keep_one)
    expire(catalog, NAME)
    return load_table(catalog, NAME)


def compact_files(catalog: Catalog, number: int) -> Table:
    compact(catalog, NAME)
    return load_table(catalog, NAME)


def go_back(catalog: Catalog, number: int) -> Table:
    first = live_points(load_table(catalog, NAME))[0]
    return roll_back(catalog, plan_rollback(catalog, NAME, first.committed_at))


def make_older_one_current(catalog: Catalog, number: int) -> Table:
    """Roll back like PyIceberg and other engines, with an entry in the log and no new snapshot."""

    def change(table: Table, transaction: Transaction) -> None:
        standing = table.metadata.current_snapshot_id
        others = [s.snapshot_id for s in table.metadata.snapshots if s.snapshot_id != standing]
        ManageSnapshots(transaction).set_current_snapshot(others[0]).commit()

    return alter(catalog, NAME, change)


def pyiceberg_append(catalog: Catalog, number: int) -> Table:
    """Commit by PyIceberg's own transaction, without the platform's commit order."""
    table = load_table(catalog, NAME)
    table.append(rows(number))
    return table


PATHS: list[Callable[[Catalog, int], Table]] = [
    append,
    overwrite,
    set_property,
    change_schema,
    expire_some,
    compact_files,
    go_back,
    make_older_one_current,
    pyiceberg_append,
]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.__name__)
@pytest.mark.parametrize("jumps", JUMPS.values(), ids=JUMPS)
def test_each_commit_is_newer_than_the_one_before(
    catalog: Catalog,
    clock: time_machine.Traveller,
    path: Callable[[Catalog, int], Table],
    jumps: tuple[timedelta, ...],
) -> None:
    for number in range(3):
        append(catalog, number)
        clock.shift(timedelta(seconds=2))
    for number, jump in enumerate(jumps, start=3):
        clock.shift(jump)
        before = newest_commit(load_table(catalog, NAME).metadata)
        path(catalog, number)
        after = load_table(catalog, NAME).metadata
        # the second time, some of these have nothing to do
        assert newest_commit(after) > before or (path is not append and number > 3)
        assert refusals(after) == []
        assert is_strictly_ordered(after)
    append(catalog, 9) if path is not change_schema else set_property(catalog, 9)
    assert refusals(load_table(catalog, NAME).metadata) == []
    assert is_strictly_ordered(load_table(catalog, NAME).metadata)


@pytest.mark.parametrize("jumps", JUMPS.values(), ids=JUMPS)
def test_time_travel_returns_the_state_current_at_that_time(
    catalog: Catalog, clock: time_machine.Traveller, jumps: tuple[timedelta, ...]
) -> None:
    stamps = []
    for number, jump in enumerate((timedelta(0), *jumps, timedelta(seconds=1))):
        clock.shift(jump)
        overwrite(catalog, number)
        stamps.append(moment_of(load_table(catalog, NAME).metadata.last_updated_ms))
    table = load_table(catalog, NAME)
    assert stamps == sorted(set(stamps))
    for number, stamp in enumerate(stamps):
        point = point_at(table, stamp)
        read = point_table(table, point).scan(snapshot_id=point.snapshot_id).to_arrow()
        assert read["id"].to_pylist() == [number]


def test_clock_set_back_loses_no_retained_state(catalog: Catalog, clock: time_machine.Traveller) -> None:
    """A clock that is two days behind retains no states of the last two days by itself."""
    for number in range(4):
        overwrite(catalog, number)
        clock.shift(timedelta(minutes=50))
    pinned = {point.snapshot_id for point in pinned_points(load_table(catalog, NAME))}
    assert pinned
    clock.shift(timedelta(days=-2))
    for number in range(4, 12):
        overwrite(catalog, number)
    maintain(catalog, NAME, datetime.now(UTC), trigger="command", older_than=timedelta(0))
    table = load_table(catalog, NAME)
    assert pinned <= {point.snapshot_id for point in pinned_points(table)}
    assert table.scan().to_arrow()["id"].to_pylist() == [11]


def test_clock_set_forward_and_back_removes_no_live_files(catalog: Catalog, clock: time_machine.Traveller) -> None:
    append(catalog, 0)
    for days in (2, -2, 2, -2):
        clock.shift(timedelta(days=days))
        maintain(catalog, NAME, datetime.now(UTC), trigger="maintenance")
        append(catalog, days)
    assert load_table(catalog, NAME).scan().to_arrow().num_rows == 5


def test_clock_skew_is_reported_as_a_need_of_the_table(catalog: Catalog, clock: time_machine.Traveller) -> None:
    append(catalog, 0)
    clock.shift(timedelta(seconds=-4))
    assert not table_health(append(catalog, 1)).needs
    clock.shift(timedelta(hours=-1))
    (need,) = table_health(append(catalog, 2)).needs
    assert "clock is 3,604 s behind the table's newest commit" in need
    clock.shift(timedelta(hours=2))
    assert not table_health(append(catalog, 3)).needs


def test_unordered_log_is_repaired_by_the_next_commit(
    clock: time_machine.Traveller, catalog: Catalog, settings: Settings
) -> None:
    careless = SqlCatalog("lake", **catalog.properties)
    for number in range(3):
        careless.load_table(NAME.identifier).append(rows(number))
        clock.shift(timedelta(hours=-1))
    assert refusals(load_table(catalog, NAME).metadata)
    table = commit(catalog, NAME, lambda _: Change(rows(3)))
    assert refusals(table.metadata) == []
    assert table.scan().to_arrow().num_rows == 4


def test_change_without_effect_is_not_committed(catalog: Catalog, clock: time_machine.Traveller) -> None:
    before = append(catalog, 0)
    clock.shift(timedelta(days=-1))

    def change(table: Table, transaction: Transaction) -> None:
        assert table.metadata.current_snapshot_id is not None
        ManageSnapshots(transaction).set_current_snapshot(table.metadata.current_snapshot_id).commit()

    assert alter(catalog, NAME, change).metadata_location == before.metadata_location
