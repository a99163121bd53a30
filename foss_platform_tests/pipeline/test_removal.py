"""The guard rails of removal: what is damaged, shared, outside or in use stays, and nothing else is touched."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import time_machine
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table
from pyiceberg.table.statistics import StatisticsFile
from sqlalchemy import event

from foss_platform.errors import FossError, LastingError
from foss_platform.lake.catalog import open_catalog
from foss_platform.lake.changes import Change, apply_change
from foss_platform.lake.compaction import compact
from foss_platform.lake.data_files import DataFiles, write_data_files
from foss_platform.lake.names import TableName
from foss_platform.lake.pins import pin_state
from foss_platform.lake.points import pinned_points, point_at, point_table
from foss_platform.lake.policy import TablePolicy
from foss_platform.lake.removal import NOTES, Removal, plan_removal, remove
from foss_platform.lake.storage import Storage
from foss_platform.lake.tables import DEFAULT_PROPERTIES, ensure_namespace, load_table
from foss_platform.settings import Settings

NAME = TableName("gold", "things")
SCHEMA = pa.schema([("id", pa.int64())])
POLICY = TablePolicy(keep_commits=3, keep_hours=6, keep_days=10, spare_hours=2)
START = datetime(2026, 3, 28, 10, 50, tzinfo=UTC)
SPARE = POLICY.spare


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Time that only the test moves."""
    with time_machine.travel(START, tick=False) as moved:
        yield moved


@pytest.fixture
def catalog(settings: Settings, clock: time_machine.Traveller) -> Catalog:
    return open_catalog(settings)


def make(catalog: Catalog, location: str | None = None, name: TableName = NAME) -> Table:
    ensure_namespace(catalog, name.namespace)
    properties = {**DEFAULT_PROPERTIES, **POLICY.properties()}
    return catalog.create_table(name.identifier, SCHEMA, location=location, properties=properties)


def put(catalog: Catalog, number: int, name: TableName = NAME) -> Table:
    rows = pa.table({"id": [number]}, schema=SCHEMA)
    return apply_change(catalog, name, lambda _: Change(rows))


def grown(catalog: Catalog, clock: time_machine.Traveller, location: str | None = None) -> Table:
    """A table of five commits, twenty minutes apart, of which three are live and the first is pinned."""
    make(catalog, location)
    for number in range(5):
        put(catalog, number)
        clock.shift(timedelta(minutes=20))
    table = load_table(catalog, NAME)
    expire_all_but_current(table)
    return load_table(catalog, NAME)


def expire_all_but_current(table: Table) -> None:
    kept = {reference.snapshot_id for reference in table.metadata.refs.values()}
    table.maintenance.expire_snapshots().by_ids(
        [snapshot.snapshot_id for snapshot in table.snapshots() if snapshot.snapshot_id not in kept]
    ).commit()


def plan(catalog: Catalog, spare: timedelta | None = None, name: TableName = NAME) -> Removal:
    date_files(load_table(catalog, name))
    return plan_removal(catalog, name, POLICY, datetime.now(UTC), spare)


def date_files(table: Table, age: timedelta = timedelta()) -> None:
    """What was written since the clock was moved by hand is of its time, as a store that has that clock would say."""
    moment = (datetime.now(UTC) - age).timestamp()
    for path in files_below(root_of(table)):
        if path.stat().st_mtime > moment:
            os.utime(path, (moment, moment))


def clean(catalog: Catalog, spare: timedelta | None = None) -> Removal:
    planned = plan(catalog, spare)
    remove(catalog, NAME, planned, lambda _: None)
    return planned


def ids(table: Table, snapshot_id: int | None = None) -> list[int]:
    return sorted(row["id"] for row in table.scan(snapshot_id=snapshot_id).to_arrow().to_pylist())


def files_below(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if path.is_file()}


def root_of(table: Table) -> Path:
    return Path(Storage(table).root)


def as_path(location: str) -> Path:
    return Path(location.removeprefix("file://"))


def manifest_list_of(table: Table) -> Path:
    snapshot = table.current_snapshot()
    assert snapshot is not None
    return as_path(snapshot.manifest_list)


def manifest_of(table: Table) -> Path:
    snapshot = table.current_snapshot()
    assert snapshot is not None
    return as_path(snapshot.manifests(table.io)[-1].manifest_path)


def pinned_of(table: Table) -> Path:
    return as_path(pinned_points(table)[0].metadata_location)


def of_pinned(part: Callable[[Table], Path]) -> Callable[[Table], Path]:
    return lambda table: part(point_table(table, pinned_points(table)[0]))


PARTS = {
    "metadata": lambda table: as_path(table.metadata_location),
    "manifest-list": manifest_list_of,
    "manifest": manifest_of,
    "pinned": pinned_of,
    "manifest-list-of-pinned": of_pinned(manifest_list_of),
    "manifest-of-pinned": of_pinned(manifest_of),
}


@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "other"])
@pytest.mark.parametrize("part", PARTS)
def test_damage_of_any_root_stops_it(catalog: Catalog, clock: time_machine.Traveller, part: str, damage: str) -> None:
    table = grown(catalog, clock)
    damaged = PARTS[part](table)
    if damage == "missing":
        damaged.unlink()
    else:
        damaged.write_bytes({"empty": b"", "garbage": b"\x07" * 300, "other": b'{"format-version": 2}'}[damage])
    before = files_below(root_of(table))
    if (part, damage) == ("pinned", "missing"):
        # then it is no point any longer
        assert plan(catalog, timedelta()).files
    else:
        with pytest.raises(FossError):
            clean(catalog, timedelta())
    assert files_below(root_of(table)) == before


@pytest.mark.parametrize("part", ["manifest-list", "manifest", "manifest-list-of-pinned", "manifest-of-pinned"])
def test_a_file_cut_anywhere_stops_it(catalog: Catalog, clock: time_machine.Traveller, part: str) -> None:
    table = grown(catalog, clock)
    cut = PARTS[part](table)
    whole = cut.read_bytes()
    header = whole.index(whole[-16:]) + 16
    for length in {*range(0, len(whole), 97), header, header + 1, len(whole) - 16, len(whole) - 1}:
        cut.write_bytes(whole[:length])
        with pytest.raises(LastingError, match=r"nothing of the table is changed or removed"):
            plan(catalog, timedelta())
    cut.write_bytes(whole)
    plan(catalog, timedelta())


def test_a_data_file_that_is_missing_stops_it(catalog: Catalog, clock: time_machine.Traveller) -> None:
    table = grown(catalog, clock)
    as_path(next(iter(table.scan().plan_files())).file.file_path).unlink()
    with pytest.raises(LastingError, match="1 files that it refers to are missing"):
        plan(catalog)


@pytest.mark.parametrize("other", [("gold", "inner"), ("other", "inner"), ("gold", "deep", "inner")], ids=".".join)
def test_a_table_within_another_stops_both(
    catalog: Catalog, clock: time_machine.Traveller, other: tuple[str, ...]
) -> None:
    table = grown(catalog, clock)
    catalog.create_namespace_if_not_exists(other[:-1])
    catalog.create_table(other, SCHEMA, location=f"{table.location()}/inner")
    with pytest.raises(LastingError, match="lies in the same place"):
        plan(catalog)
    if len(other) == 2:
        with pytest.raises(LastingError, match="lies in the same place"):
            plan(catalog, name=TableName(*other))


def test_a_table_whose_name_begins_the_same_is_no_table_within(catalog: Catalog, clock: time_machine.Traveller) -> None:
    table = grown(catalog, clock)
    other = make(catalog, name=TableName("gold", "things_too"))
    before = files_below(root_of(other))
    assert clean(catalog, timedelta()).files
    assert files_below(root_of(other)) == before
    assert ids(load_table(catalog, NAME)) == ids(table)


def test_another_table_by_way_of_a_link_stops_it(catalog: Catalog, clock: time_machine.Traveller) -> None:
    make(catalog)
    table = put(catalog, 0)
    link = root_of(table).parent / "linked"
    link.symlink_to(root_of(table))
    other = TableName("gold", "other")
    make(catalog, f"file://{link}", other)
    put(catalog, 7, other)
    with pytest.raises(LastingError, match="lies in the same place"):
        remove(catalog, other, plan(catalog, timedelta(), other), lambda _: None)
    assert ids(load_table(catalog, NAME)) == [0]


def test_a_link_to_a_folder_of_the_table_itself_makes_no_file_loose(
    catalog: Catalog, clock: time_machine.Traveller
) -> None:
    table = grown(catalog, clock)
    (root_of(table) / "again").symlink_to(root_of(table) / "data")
    clean(catalog, timedelta())
    assert ids(load_table(catalog, NAME)) == [0, 1, 2, 3, 4]


def test_a_link_out_of_the_location_is_not_followed(
    catalog: Catalog, clock: time_machine.Traveller, tmp_path: Path
) -> None:
    table = grown(catalog, clock)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.parquet").write_text("mine")
    (root_of(table) / "data" / "linked").symlink_to(outside)
    (root_of(table) / "data" / "linked.parquet").symlink_to(outside / "precious.parquet")
    clean(catalog, timedelta())
    assert (outside / "precious.parquet").read_text() == "mine"


def test_a_location_with_dots_is_its_own_and_nothing_else(
    catalog: Catalog, clock: time_machine.Traveller, settings: Settings
) -> None:
    warehouse = settings.home / "warehouse"
    table = grown(catalog, clock, f"file://{warehouse}/gold/../odd/./things")
    outside = [warehouse / "odd" / "else.parquet", warehouse / "odd" / "thingsx" / "a", warehouse / "gold" / "b"]
    for path in outside:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    loose = warehouse / "odd" / "things" / "data" / "loose.parquet"
    loose.write_text("loose")
    gone = {file.path for file in clean(catalog, timedelta()).files}
    assert str(loose) in gone
    assert all(path.startswith(f"{warehouse}/odd/things/") for path in gone)
    assert [path.read_text() for path in outside] == ["mine"] * 3
    assert ids(load_table(catalog, NAME)) == ids(table) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("spelling", ["file://{}//gold///things/", "{}/gold/things", "file:{}/gold/things"])
def test_a_location_spelled_otherwise_is_the_same(
    catalog: Catalog, clock: time_machine.Traveller, settings: Settings, spelling: str
) -> None:
    table = grown(catalog, clock, spelling.format(settings.home / "warehouse"))
    (root_of(table) / "data" / "loose.parquet").write_text("loose")
    (state,) = (point for point in pinned_points(table) if point.committed_at == START)
    planned = clean(catalog, timedelta())
    assert str(root_of(table) / "data" / "loose.parquet") in {file.path for file in planned.files}
    assert ids(load_table(catalog, NAME)) == [0, 1, 2, 3, 4]
    assert ids(point_table(table, state)) == [0]
    assert plan(catalog, timedelta()).files == []


@pytest.mark.parametrize(
    "notes",
    ["", "\x00", "{", "[]", "7", '{"x": 5}', '{"x": "soon"}', '{"x": null}', "naive", "[" * 100_000],
    ids=["empty", "nul", "cut", "list", "number", "no-text", "no-time", "null", "naive", "deep"],
)
def test_notes_that_cannot_be_read_spare_everything_once_more(
    catalog: Catalog, clock: time_machine.Traveller, notes: str
) -> None:
    table = grown(catalog, clock)
    loose = root_of(table) / "data" / "loose.parquet"
    loose.write_text("loose")
    date_files(table, timedelta(days=1))
    clean(catalog)
    clock.shift(SPARE)
    assert str(loose) in {file.path for file in plan(catalog).files}
    content = f'{{"{loose}": "2020-01-01T00:00:00"}}' if notes == "naive" else notes
    (root_of(table) / NOTES).write_text(content)
    assert not [file for file in plan(catalog).files if "pinned" not in file.name]
    clean(catalog)
    clock.shift(SPARE)
    assert str(loose) in {file.path for file in clean(catalog).files}
    assert not loose.exists()


def test_a_file_goes_when_its_time_is_over_and_not_before(catalog: Catalog, clock: time_machine.Traveller) -> None:
    table = grown(catalog, clock)
    loose = root_of(table) / "data" / "loose.parquet"
    loose.write_text("loose")
    date_files(table)
    clock.shift(SPARE)
    clean(catalog)
    clock.shift(SPARE - timedelta(milliseconds=1))
    clean(catalog)
    assert loose.exists()
    clock.shift(timedelta(milliseconds=1))
    clean(catalog)
    assert not loose.exists()


def test_tags_branches_and_statistics_are_roots(catalog: Catalog, clock: time_machine.Traveller) -> None:
    make(catalog)
    tables = [put(catalog, number) for number in range(3)]
    tagged, branched = (table.metadata.current_snapshot_id for table in tables[:2])
    assert tagged is not None
    assert branched is not None
    table = load_table(catalog, NAME)
    table.manage_snapshots().create_tag(tagged, "kept").create_branch(branched, "aside").commit()
    statistics = root_of(table) / "metadata" / "kept.stats"
    statistics.write_text("statistics")
    file = StatisticsFile.model_validate(
        {
            "snapshot-id": table.metadata.current_snapshot_id,
            "statistics-path": f"file://{statistics}",
            "file-size-in-bytes": 10,
            "file-footer-size-in-bytes": 1,
            "blob-metadata": [],
        }
    )
    table.update_statistics().set_statistics(file).commit()
    expire_all_but_current(load_table(catalog, NAME))
    assert clean(catalog, timedelta()).files == []
    table = load_table(catalog, NAME)
    assert (ids(table, tagged), ids(table, branched), ids(table)) == ([0], [0, 1], [0, 1, 2])
    table.manage_snapshots().remove_tag("kept").remove_branch("aside").commit()
    expire_all_but_current(load_table(catalog, NAME))
    assert clean(catalog, timedelta()).files
    assert ids(load_table(catalog, NAME)) == [0, 1, 2]
    statistics.unlink()
    with pytest.raises(LastingError, match=r"missing.*kept\.stats"):
        plan(catalog)


def test_deleting_again_is_no_failure_and_outside_is_refused(
    catalog: Catalog, clock: time_machine.Traveller, tmp_path: Path
) -> None:
    table = grown(catalog, clock)
    planned = plan(catalog, timedelta())
    for _ in range(2):
        remove(catalog, NAME, planned, lambda _: None)
    storage = Storage(table)
    mine = tmp_path / "mine"
    mine.write_text("mine")
    for path in (str(mine), storage.root, f"{storage.root}x/file", ""):
        with pytest.raises(ValueError, match="outside"):
            storage.delete(path)
    assert mine.exists()


def test_climbing_out_by_dots_is_refused(catalog: Catalog, clock: time_machine.Traveller) -> None:
    storage = Storage(grown(catalog, clock))
    mine = Path(storage.root).parent / "mine"
    mine.write_text("mine")
    with pytest.raises(ValueError, match="outside"):
        storage.delete(f"{storage.root}/../mine")
    assert mine.exists()


def at_once(*acts: Callable[[], object]) -> None:
    """Run them in threads that begin at the same time; an error of any is raised."""
    gate = threading.Barrier(len(acts))

    def begin(act: Callable[[], object]) -> None:
        gate.wait()
        act()

    with ThreadPoolExecutor(len(acts)) as pool:
        for done in [pool.submit(begin, act) for act in acts]:
            done.result()


def test_two_clean_ups_at_the_same_time(catalog: Catalog, clock: time_machine.Traveller) -> None:
    table = grown(catalog, clock)
    for turn in range(20):
        for number in range(10):
            (root_of(table) / "data" / f"loose-{turn}-{number}.parquet").write_text("loose")
        at_once(*[lambda: clean(catalog, timedelta())] * 2)
        assert not list((root_of(table) / "data").glob("loose-*"))
    assert ids(load_table(catalog, NAME)) == [0, 1, 2, 3, 4]


def test_two_writers_pin_the_same_state_at_the_same_time(catalog: Catalog, clock: time_machine.Traveller) -> None:
    make(catalog)
    table = put(catalog, 0)
    for _ in range(100):
        clock.shift(timedelta(hours=1))
        at_once(*[lambda: pin_state(table, datetime.now(UTC).replace(minute=0, second=0, microsecond=0))] * 2)
        assert ids(point_table(table, pinned_points(table)[-1])) == [0]


def test_a_file_that_a_writer_had_in_hand_at_the_first_look_counts_as_used_from_its_commit_on(
    catalog: Catalog, clock: time_machine.Traveller
) -> None:
    """Two looks found it unreferenced, but between them a reader opened a state that holds it."""
    table = grown(catalog, clock)
    clock.move_to(datetime.now(UTC).replace(minute=1))
    files = write_data_files(table, pa.table({"id": [7]}, schema=SCHEMA))
    clean(catalog)
    apply_change(catalog, NAME, lambda _: Change(files=DataFiles(files)))
    clock.shift(SPARE + timedelta(minutes=5))
    # one commit after the other, so that no full hour keeps the state
    reader = load_table(catalog, NAME)
    compacted = compact(catalog, NAME, everything=True)
    assert compacted.files_before
    for point in pinned_points(load_table(catalog, NAME)):
        as_path(point.metadata_location).unlink()
    expire_all_but_current(load_table(catalog, NAME))
    clean(catalog)
    assert ids(reader) == [0, 1, 2, 3, 4, 7]


def test_a_merge_that_is_interrupted_after_its_commit_keeps_its_files(
    catalog: Catalog, clock: time_machine.Traveller
) -> None:
    grown(catalog, clock)
    told: list[str] = []

    def listen(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        told.extend([statement] if statement.startswith("UPDATE") else [])

    def give_back(*_: object) -> None:
        # the catalog has committed, and nobody has been told yet
        if told:
            raise KeyboardInterrupt

    assert isinstance(catalog, SqlCatalog)
    engine = catalog.engine
    event.listen(engine, "after_cursor_execute", listen)
    event.listen(engine.pool, "checkin", give_back)
    try:
        with pytest.raises(KeyboardInterrupt):
            compact(catalog, NAME, everything=True)
    finally:
        event.remove(engine, "after_cursor_execute", listen)
        event.remove(engine.pool, "checkin", give_back)
    assert ids(load_table(catalog, NAME)) == [0, 1, 2, 3, 4]


def test_a_writer_that_loses_pins_no_state_beyond_its_end(catalog: Catalog, clock: time_machine.Traveller) -> None:
    make(catalog)
    put(catalog, 0)
    clock.move_to(START.replace(hour=12, minute=59, second=59))
    tries: list[int] = []

    def slow(_: Table) -> Change:
        if not tries:
            # meanwhile another commit comes, still in the old hour, and the hour ends
            put(catalog, 1)
            clock.shift(timedelta(seconds=2))
        tries.append(1)
        return Change(pa.table({"id": [2]}, schema=SCHEMA))

    apply_change(catalog, NAME, slow)
    assert len(tries) == 2
    table = load_table(catalog, NAME)
    noon, one = START.replace(hour=12, minute=0), START.replace(hour=13, minute=0)
    assert ids(table, point_at(table, one).snapshot_id) == [0, 1]
    for pinned in pinned_points(table):
        if pinned.sequence_number == 1:
            assert pinned.holds(noon)
            assert not pinned.holds(one)


def test_a_state_that_somebody_went_back_to_is_not_pinned_for_the_time_between(
    catalog: Catalog, clock: time_machine.Traveller
) -> None:
    make(catalog)
    first = put(catalog, 0).metadata.current_snapshot_id
    assert first is not None
    clock.shift(timedelta(hours=2))
    put(catalog, 1)
    between = datetime.now(UTC)
    clock.shift(timedelta(hours=2))
    load_table(catalog, NAME).manage_snapshots().rollback_to_snapshot(first).commit()
    clock.shift(timedelta(hours=2))
    put(catalog, 2)
    expire_all_but_current(load_table(catalog, NAME))
    table = load_table(catalog, NAME)
    try:
        point = point_at(table, between)
    except LastingError:
        return
    assert ids(point_table(table, point), point.snapshot_id) == [0, 1]


def test_a_commit_in_the_instant_of_a_full_hour_ends_the_state_before_it(
    catalog: Catalog, clock: time_machine.Traveller
) -> None:
    make(catalog)
    clock.move_to(START.replace(hour=23))
    put(catalog, 0)
    full_hour = START.replace(hour=14, minute=0) + timedelta(days=1)
    clock.move_to(full_hour)
    put(catalog, 1)
    for number in range(2, 8):
        clock.shift(timedelta(minutes=90))
        put(catalog, number)
    clock.shift(timedelta(hours=1))
    for _ in range(2):
        # the pin of the second state goes, that of the first is the one of midnight
        clean(catalog, timedelta())
    table = load_table(catalog, NAME)
    assert point_at(table, START.replace(hour=0, minute=0) + timedelta(days=1)).sequence_number == 1
    try:
        point = point_at(table, full_hour)
    except LastingError:
        return
    assert point.sequence_number == 2
