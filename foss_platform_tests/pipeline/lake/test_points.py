"""Time travel by time: the state at that time or an error, never the nearest state."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
import time_machine
from pyiceberg.table import Table
from pyiceberg.table.update.snapshot import ExpireSnapshots

from foss_platform.errors import ConfigurationError, PermanentError
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.snapshots.points import Point, live_points, point_at
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_table
from foss_platform.settings import Settings

NAME = TableName("gold", "things")
SCHEMA = pa.schema([("id", pa.int64())])
MILLISECOND = timedelta(milliseconds=1)


def grow(settings: Settings, commits: int) -> Table:
    """Return a table with `commits` states. The n-th state has n rows."""
    catalog = open_catalog(settings)
    table = ensure_table(catalog, TableSpec(NAME, SCHEMA))
    for _ in range(commits):
        table = commit(catalog, NAME, lambda _: Change(pa.table({"id": [1]}, schema=SCHEMA)))
    return table


def expire(settings: Settings, table: Table, *places: int) -> Table:
    chosen = [table.history()[place].snapshot_id for place in places]
    with table.transaction() as transaction:
        ExpireSnapshots(transaction).by_ids(chosen).commit()
    return load_table(open_catalog(settings), NAME)


def tag(table: Table, point: Point) -> None:
    table.manage_snapshots().create_tag(point.snapshot_id, "kept").commit()


def rows_at(table: Table, moment: datetime) -> int:
    return len(table.scan(snapshot_id=point_at(table, moment).snapshot_id).to_arrow())


def test_time_of_a_commit_and_times_between_commits(settings: Settings) -> None:
    table = grow(settings, 3)
    points = live_points(table)
    assert [rows_at(table, point.committed_at) for point in points] == [1, 2, 3]
    assert [rows_at(table, point.committed_at + MILLISECOND - timedelta(microseconds=1)) for point in points] == [
        1,
        2,
        3,
    ]
    assert rows_at(table, points[1].committed_at - MILLISECOND) == 1
    assert rows_at(table, points[2].committed_at - timedelta(microseconds=1)) == 2
    assert rows_at(table, datetime.now(UTC)) == 3


def test_table_is_empty_before_its_first_commit(settings: Settings) -> None:
    table = grow(settings, 2)
    first = live_points(table)[0].committed_at
    with pytest.raises(PermanentError, match=r"gold\.things held no rows yet at") as caught:
        point_at(table, first - timedelta(microseconds=1))
    assert first.isoformat() in caught.value.remedy


def test_a_table_without_rows_has_no_state(settings: Settings) -> None:
    with pytest.raises(PermanentError, match="never held a row"):
        point_at(grow(settings, 0), datetime.now(UTC))


def test_expired_state_is_refused_and_the_oldest_is_reported(settings: Settings) -> None:
    grown = grow(settings, 4)
    points = live_points(grown)
    table = expire(settings, grown, 0, 1)
    assert [p.snapshot_id for p in live_points(table)] == [p.snapshot_id for p in points[2:]]
    for moment in (points[0].committed_at, points[1].committed_at, points[2].committed_at - MILLISECOND):
        with pytest.raises(PermanentError, match="no longer retained") as caught:
            point_at(table, moment)
        assert points[2].committed_at.isoformat() in caught.value.remedy
    assert rows_at(table, points[2].committed_at) == 3


def test_a_gap_behind_a_tagged_state_is_refused_too(settings: Settings) -> None:
    grown = grow(settings, 5)
    points = live_points(grown)
    tag(grown, points[0])
    table = expire(settings, load_table(open_catalog(settings), NAME), 1, 2)
    assert rows_at(table, points[0].committed_at) == 1
    for moment in (points[1].committed_at, points[2].committed_at, points[3].committed_at - MILLISECOND):
        with pytest.raises(PermanentError, match="no longer retained") as caught:
            point_at(table, moment)
        assert f"next readable moment is {points[3].committed_at.isoformat()}" in caught.value.remedy
    assert rows_at(table, points[3].committed_at) == 4
    assert rows_at(table, points[4].committed_at - MILLISECOND) == 4


def test_gap_between_tagged_states_is_refused(settings: Settings) -> None:
    grown = grow(settings, 5)
    points = live_points(grown)
    tag(grown, points[1])
    table = expire(settings, load_table(open_catalog(settings), NAME), 0, 2, 3)
    with pytest.raises(PermanentError, match="no longer retained"):
        point_at(table, points[0].committed_at)
    with pytest.raises(PermanentError, match="no longer retained"):
        point_at(table, points[2].committed_at)
    assert rows_at(table, points[4].committed_at) == 5


def test_times_are_accepted_in_every_zone(settings: Settings) -> None:
    from zoneinfo import ZoneInfo

    table = grow(settings, 2)
    moment = live_points(table)[0].committed_at.astimezone(ZoneInfo("Europe/Oslo"))
    assert rows_at(table, moment) == 1


def test_a_moment_in_the_future_is_refused(settings: Settings) -> None:
    table = grow(settings, 1)
    with pytest.raises(ConfigurationError, match="is in the future"):
        point_at(table, datetime.now(UTC) + timedelta(hours=1))


def test_newest_commit_is_readable_after_the_clock_was_set_back(settings: Settings) -> None:
    table = grow(settings, 2)
    newest = live_points(table)[-1]
    with time_machine.travel(newest.committed_at - timedelta(hours=1), tick=False):
        assert point_at(table, newest.committed_at).snapshot_id == newest.snapshot_id
