"""Removal, compaction and pins with concurrent writers and readers."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
import time_machine
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table
from sqlalchemy import event

from foss_platform.errors import PermanentError
from foss_platform.lake.commit.commit_with_retry import Change, apply_change
from foss_platform.lake.files.data_files import DataFiles, write_data_files
from foss_platform.lake.maintenance.compaction import compact
from foss_platform.lake.snapshots.pins import pin_state
from foss_platform.lake.snapshots.points import pinned_points, point_at, point_table
from foss_platform.lake.table.tables import load_table
from foss_platform_tests.pipeline.maintenance import aged_table
from foss_platform_tests.pipeline.maintenance.aged_table import (
    NAME,
    SCHEMA,
    SPARE,
    START,
    as_path,
    clean,
    expire_all_but_current,
    grown,
    ids,
    make,
    put,
    root_of,
)

clock = aged_table.clock
catalog = aged_table.catalog


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


def test_file_committed_between_two_scans_counts_as_referenced(catalog: Catalog, clock: time_machine.Traveller) -> None:
    """Two scans found the file unreferenced, but between them a reader opened a state that contains it."""
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


def test_compaction_interrupted_after_its_commit_keeps_its_files(
    catalog: Catalog, clock: time_machine.Traveller
) -> None:
    grown(catalog, clock)
    told: list[str] = []

    def listen(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        told.extend([statement] if statement.startswith("UPDATE") else [])

    def give_back(*_: object) -> None:
        # the catalog has committed, but the client has no answer yet
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


def test_losing_writer_pins_no_state_beyond_its_end(catalog: Catalog, clock: time_machine.Traveller) -> None:
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


def test_rollback_target_is_not_pinned_for_the_time_between(catalog: Catalog, clock: time_machine.Traveller) -> None:
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
    except PermanentError:
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
    except PermanentError:
        return
    assert point.sequence_number == 2
