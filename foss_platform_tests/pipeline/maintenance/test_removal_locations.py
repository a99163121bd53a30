"""Removal and locations: shared, linked and outside files are kept, for every spelling of a location."""

from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from pyiceberg.catalog import Catalog

from foss_platform.errors import PermanentError
from foss_platform.lake.files.table_files import Storage
from foss_platform.lake.maintenance.unreferenced_files import remove
from foss_platform.lake.snapshots.points import pinned_points, point_table
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import load_table
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.maintenance import aged_table
from foss_platform_tests.pipeline.maintenance.aged_table import (
    NAME,
    SCHEMA,
    START,
    clean,
    files_below,
    grown,
    ids,
    make,
    plan,
    put,
    root_of,
)

clock = aged_table.clock
catalog = aged_table.catalog


@pytest.mark.parametrize("other", [("gold", "inner"), ("other", "inner"), ("gold", "deep", "inner")], ids=".".join)
def test_a_table_within_another_stops_both(
    catalog: Catalog, clock: time_machine.Traveller, other: tuple[str, ...]
) -> None:
    table = grown(catalog, clock)
    catalog.create_namespace_if_not_exists(other[:-1])
    catalog.create_table(other, SCHEMA, location=f"{table.location()}/inner")
    with pytest.raises(PermanentError, match="its folder overlaps with that of"):
        plan(catalog)
    if len(other) == 2:
        with pytest.raises(PermanentError, match="its folder overlaps with that of"):
            plan(catalog, name=TableName(*other))


def test_table_with_a_common_name_prefix_is_not_nested(catalog: Catalog, clock: time_machine.Traveller) -> None:
    table = grown(catalog, clock)
    other = make(catalog, name=TableName("gold", "things_too"))
    before = files_below(root_of(other))
    assert clean(catalog, timedelta()).files
    assert files_below(root_of(other)) == before
    assert ids(load_table(catalog, NAME)) == ids(table)


def test_link_to_another_table_stops_removal(catalog: Catalog, clock: time_machine.Traveller) -> None:
    make(catalog)
    table = put(catalog, 0)
    link = root_of(table).parent / "linked"
    link.symlink_to(root_of(table))
    other = TableName("gold", "other")
    make(catalog, f"file://{link}", other)
    put(catalog, 7, other)
    with pytest.raises(PermanentError, match="its folder overlaps with that of"):
        remove(catalog, other, plan(catalog, timedelta(), other), lambda _: None)
    assert ids(load_table(catalog, NAME)) == [0]


def test_link_within_the_table_makes_no_file_unreferenced(catalog: Catalog, clock: time_machine.Traveller) -> None:
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
def test_other_spelling_of_a_location_is_the_same_location(
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


def test_repeated_deletion_succeeds_and_outside_files_are_refused(
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
