"""The commit loop: committed rows, retained rows and the number of retries."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.errors import ConfigurationError, TransientError
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.commit.commit_with_retry import apply_change
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files import data_files
from foss_platform.lake.files.data_files import EVERY_ROW, Slices
from foss_platform.lake.snapshots import expiry
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table
from foss_platform.settings import Settings

NAME = TableName("silver", "things")
SCHEMA = pa.schema([("id", pa.int64()), ("at", pa.timestamp("us", tz="UTC"))])
DAY = datetime(2020, 10, 24, tzinfo=UTC)


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    catalog = open_catalog(settings)
    ensure_table(catalog, TableSpec(NAME, SCHEMA))
    return catalog


def rows(*items: tuple[int, datetime | None]) -> pa.Table:
    return pa.Table.from_pylist([{"id": number, "at": at} for number, at in items], schema=SCHEMA)


def put(catalog: Catalog, *items: tuple[int, datetime | None], **change: Any) -> Table:
    return commit(catalog, NAME, lambda _: Change(rows(*items) if items else None, **change))


def ids(catalog: Catalog) -> list[int]:
    found: list[Any] = catalog.load_table(NAME.identifier).scan().to_arrow()["id"].to_pylist()
    return sorted(found)


def tag(table: Table, name: str) -> int:
    snapshot = table.current_snapshot()
    assert snapshot is not None
    table.manage_snapshots().create_tag(snapshot.snapshot_id, name).commit()
    return snapshot.snapshot_id


def snapshots(catalog: Catalog) -> list[int]:
    return [snapshot.snapshot_id for snapshot in catalog.load_table(NAME.identifier).snapshots()]


def day_of(moment: datetime) -> Slices:
    return Slices("at", ((moment.isoformat(), (moment + timedelta(days=1)).isoformat()),))


def test_appends_add_rows_and_have_a_summary(catalog: Catalog) -> None:
    put(catalog, (1, DAY), summary={"foss.run": "a"})
    put(catalog, (2, None), (2, None))
    assert ids(catalog) == [1, 2, 2]
    first = catalog.load_table(NAME.identifier).snapshots()[0]
    assert first.summary is not None
    assert first.summary.additional_properties["foss.run"] == "a"


@pytest.mark.parametrize("where", ["one file", "many files"])
def test_a_replacement_keeps_rows_outside_and_rows_without_a_value(catalog: Catalog, where: str) -> None:
    before, after = DAY - timedelta(microseconds=1), DAY + timedelta(days=1)
    standing = [(1, before), (2, DAY), (3, after - timedelta(microseconds=1)), (4, after), (5, None)]
    for piece in [standing] if where == "one file" else [[item] for item in standing]:
        put(catalog, *piece)
    count = len(snapshots(catalog))
    put(catalog, (6, DAY), (7, after), (8, None), replaces=day_of(DAY))
    assert ids(catalog) == [1, 4, 5, 6, 7, 8]
    assert len(snapshots(catalog)) == count + 1


def test_several_spans_and_none(catalog: Catalog) -> None:
    put(catalog, *((n, DAY + timedelta(days=n)) for n in range(5)))
    spans = (day_of(DAY + timedelta(days=n)).spans[0] for n in (1, 3))
    put(catalog, (9, DAY), replaces=Slices("at", tuple(spans)))
    assert ids(catalog) == [0, 2, 4, 9]
    put(catalog, (10, DAY), replaces=Slices("at", ()))
    assert ids(catalog) == [0, 2, 4, 9, 10]


def test_replacing_every_row_includes_rows_without_a_value(catalog: Catalog) -> None:
    put(catalog, (1, DAY), (2, None))
    put(catalog, (3, DAY), replaces=EVERY_ROW)
    assert ids(catalog) == [3]
    put(catalog, replaces=EVERY_ROW)
    assert ids(catalog) == []
    assert len(snapshots(catalog)) == 3


def test_a_replacement_in_an_empty_table_is_an_append(catalog: Catalog) -> None:
    put(catalog, (1, DAY), replaces=EVERY_ROW)
    assert ids(catalog) == [1]


def test_rows_in_many_files_stay_in_order(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_files, "ARROW_BYTES_PER_FILE", 1)
    batches = [rows((n, DAY)).to_batches()[0] for n in range(4)]
    commit(catalog, NAME, lambda _: Change(pa.RecordBatchReader.from_batches(SCHEMA, iter(batches))))
    table = catalog.load_table(NAME.identifier)
    assert len(list(table.scan().plan_files())) == 4
    assert len(table.snapshots()) == 1


def test_properties_are_set_in_the_same_commit(catalog: Catalog) -> None:
    location = catalog.load_table(NAME.identifier).metadata_location
    table = put(catalog, (1, DAY), properties={"foss.position.x": "1"})
    assert table.properties["foss.position.x"] == "1"
    assert [entry.metadata_file for entry in table.metadata.metadata_log] == [location]


def test_properties_alone_create_no_snapshot(catalog: Catalog) -> None:
    put(catalog, properties={"foss.position.x": "1"})
    commit(catalog, NAME, lambda _: Change(rows(), properties={"foss.position.y": "2"}))
    table = catalog.load_table(NAME.identifier)
    assert snapshots(catalog) == []
    assert (table.properties["foss.position.x"], table.properties["foss.position.y"]) == ("1", "2")


def test_nothing_to_do_changes_nothing(catalog: Catalog) -> None:
    before = catalog.load_table(NAME.identifier).metadata_location
    assert commit(catalog, NAME, lambda _: None).metadata_location == before


def test_plan_is_computed_again_after_a_conflict(catalog: Catalog) -> None:
    seen: list[int] = []

    def plan(table: Table) -> Change | None:
        seen.append(table.scan().to_arrow().num_rows)
        if len(seen) == 1:
            put(catalog, (1, DAY))  # another writer commits the same row first
        return None if seen[-1] else Change(rows((1, DAY)))

    commit(catalog, NAME, plan)
    assert seen == [0, 1]
    assert ids(catalog) == [1]


def test_replacement_after_a_conflict_includes_the_new_rows(catalog: Catalog) -> None:
    put(catalog, (1, DAY))
    asked = 0

    def plan(_: Table) -> Change:
        nonlocal asked
        asked += 1
        if asked == 1:
            put(catalog, (2, DAY), (3, None), properties={"other": "1"})
        return Change(rows((4, DAY)), day_of(DAY), properties={"own": "1"})

    table = commit(catalog, NAME, plan)
    assert (asked, ids(catalog)) == (2, [3, 4])
    assert (table.properties["other"], table.properties["own"]) == ("1", "1")


def test_writer_that_always_loses_gives_up_without_writing(catalog: Catalog) -> None:
    asked = 0

    def plan(_: Table) -> Change:
        nonlocal asked
        asked += 1
        put(catalog, (asked, DAY))
        return Change(rows((99, DAY)), properties={"lost": "1"})

    with pytest.raises(TransientError, match=r"silver\.things changed during 3 tries"):
        apply_change(catalog, NAME, plan, tries=3)
    assert ids(catalog) == [1, 2, 3]
    assert "lost" not in catalog.load_table(NAME.identifier).properties


def failing_rows() -> pa.RecordBatchReader:
    def batches() -> Any:
        yield rows((2, DAY)).to_batches()[0]
        raise OSError(28, "No space left on device")

    return pa.RecordBatchReader.from_batches(SCHEMA, batches())


def test_failed_commit_leaves_nothing(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    put(catalog, (1, DAY))
    location = catalog.load_table(NAME.identifier).metadata_location

    def broken(_: Table) -> Change:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        commit(catalog, NAME, broken)
    monkeypatch.setattr(data_files, "ARROW_BYTES_PER_FILE", 1)
    with pytest.raises(TransientError):
        commit(catalog, NAME, lambda _: Change(failing_rows(), EVERY_ROW, properties={"lost": "1"}))
    assert catalog.load_table(NAME.identifier).metadata_location == location
    assert ids(catalog) == [1]


def test_a_missing_table_is_named(catalog: Catalog) -> None:
    with pytest.raises(ConfigurationError, match=r"table silver\.nothing does not exist yet"):
        commit(catalog, TableName("silver", "nothing"), lambda _: None)


KEEP = "history.expire.min-snapshots-to-keep"


def limit_to(catalog: Catalog, count: int) -> None:
    put(catalog, properties={KEEP: str(count), "foss.compact.at-files": "1000"})


def test_the_limit_on_snapshots_holds_from_the_default_on(catalog: Catalog) -> None:
    put(catalog, properties={"foss.compact.at-files": "1000"})
    for number in range(24):
        put(catalog, (number, DAY))
        assert len(snapshots(catalog)) == min(number + 1, 20)
    assert len(ids(catalog)) == 24


def test_tagged_snapshots_count_and_are_retained(catalog: Catalog) -> None:
    limit_to(catalog, 5)
    tagged = []
    for number in range(12):
        table = put(catalog, (number, DAY))
        if number in (0, 3):
            tagged.append(tag(table, f"tag-{number}"))
        assert len(snapshots(catalog)) <= 5 + len(tagged)
    assert set(tagged) <= set(snapshots(catalog))
    assert catalog.load_table(NAME.identifier).scan(snapshot_id=tagged[1]).to_arrow().num_rows == 4


def test_tags_reduce_the_limit_and_too_many_are_not_an_error(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "MAX_LIVE_SNAPSHOTS", 4)
    for number in range(3):
        tag(put(catalog, (number, DAY), replaces=EVERY_ROW), f"tag-{number}")
    for number in range(3, 6):
        put(catalog, (number, DAY), replaces=EVERY_ROW)
        assert len(snapshots(catalog)) == 4 + (number > 3)
    assert ids(catalog) == [5]


@pytest.mark.parametrize("limit", ["0", "many", "-3"])
def test_invalid_snapshot_limit_is_reported(catalog: Catalog, limit: str) -> None:
    put(catalog, (1, DAY))
    put(catalog, properties={KEEP: limit})
    with pytest.raises(ConfigurationError, match=KEEP):
        put(catalog, (2, DAY))
    assert ids(catalog) == [1]
