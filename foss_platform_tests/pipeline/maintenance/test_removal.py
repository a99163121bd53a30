"""Safety of file removal: nothing is deleted if metadata is damaged or missing, or files are referenced or too new."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from pyiceberg.table.statistics import StatisticsFile

from foss_platform.errors import FossError, PermanentError
from foss_platform.lake.maintenance.unreferenced_files import NOTES
from foss_platform.lake.snapshots.points import pinned_points, point_table
from foss_platform.lake.table.tables import load_table
from foss_platform_tests.pipeline.maintenance import aged_table
from foss_platform_tests.pipeline.maintenance.aged_table import (
    NAME,
    SPARE,
    as_path,
    clean,
    date_files,
    expire_all_but_current,
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
def test_damage_of_any_root_stops_removal(
    catalog: Catalog, clock: time_machine.Traveller, part: str, damage: str
) -> None:
    table = grown(catalog, clock)
    damaged = PARTS[part](table)
    if damage == "missing":
        damaged.unlink()
    else:
        damaged.write_bytes({"empty": b"", "garbage": b"\x07" * 300, "other": b'{"format-version": 2}'}[damage])
    before = files_below(root_of(table))
    if (part, damage) == ("pinned", "missing"):
        # then it is no longer a point
        assert plan(catalog, timedelta()).files
    else:
        with pytest.raises(FossError):
            clean(catalog, timedelta())
    assert files_below(root_of(table)) == before


@pytest.mark.parametrize("part", ["manifest-list", "manifest", "manifest-list-of-pinned", "manifest-of-pinned"])
def test_truncated_file_stops_removal(catalog: Catalog, clock: time_machine.Traveller, part: str) -> None:
    table = grown(catalog, clock)
    cut = PARTS[part](table)
    whole = cut.read_bytes()
    header = whole.index(whole[-16:]) + 16
    for length in {*range(0, len(whole), 97), header, header + 1, len(whole) - 16, len(whole) - 1}:
        cut.write_bytes(whole[:length])
        with pytest.raises(PermanentError, match=r"the table is neither changed nor cleaned up"):
            plan(catalog, timedelta())
    cut.write_bytes(whole)
    plan(catalog, timedelta())


def test_missing_data_file_stops_removal(catalog: Catalog, clock: time_machine.Traveller) -> None:
    table = grown(catalog, clock)
    as_path(next(iter(table.scan().plan_files())).file.file_path).unlink()
    with pytest.raises(PermanentError, match="1 files that the table refers to are missing"):
        plan(catalog)


@pytest.mark.parametrize(
    "notes",
    ["", "\x00", "{", "[]", "7", '{"x": 5}', '{"x": "soon"}', '{"x": null}', "naive", "[" * 100_000],
    ids=["empty", "nul", "cut", "list", "number", "no-text", "no-time", "null", "naive", "deep"],
)
def test_unreadable_notes_restart_the_retention_of_all_files(
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


def test_file_is_deleted_after_its_retention_and_not_before(catalog: Catalog, clock: time_machine.Traveller) -> None:
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
    with pytest.raises(PermanentError, match=r"missing.*kept\.stats"):
        plan(catalog)
