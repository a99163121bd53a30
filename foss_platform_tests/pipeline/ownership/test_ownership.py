"""Two catalogs over one warehouse: only the one that the mark names writes or deletes.

Held here: copied, moved and linked homes, catalogs that are copied alone, lakes from before there were marks, and
two processes that make the mark at once.
"""

import json
import logging
import multiprocessing
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from foss_platform.ingest.bronze.poll_once import ingest_poll
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.batch import requested
from foss_platform.lake.adopt.adopt import adopt, plan_adoption
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.build.rollback import plan_rollback, roll_back
from foss_platform.lake.connect import catalog as catalog_module
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files.table_files import Storage
from foss_platform.lake.ownership.mark import MARK, ForeignLakeError
from foss_platform.lake.ownership.owner import ownership_of
from foss_platform.lake.ownership.require_own import require_own
from foss_platform.lake.snapshots.points import live_points
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_table
from foss_platform.settings import Settings
from foss_platform.transform.runner import build
from foss_platform_tests.pipeline.cli.command_line import foss_in
from foss_platform_tests.pipeline.ownership.copies import (
    OTHERS,
    SCHEMA,
    THINGS,
    add,
    clean_up,
    copied,
    files_of,
    fill,
    moved,
    rows_of,
)

ROWS = pa.table({"id": [99], "what": ["x"]}, schema=SCHEMA)


@pytest.fixture
def copy(settings: Settings, tmp_path: Path) -> Settings:
    fill(settings)
    return Settings(home=copied(settings.home, tmp_path / "copy"))


def first_moment(catalog: Catalog) -> datetime:
    return live_points(load_table(catalog, OTHERS))[0].committed_at


def unmark(home: Path) -> None:
    (home / "warehouse" / MARK).unlink()


WRITES: dict[str, Callable[[Catalog], object]] = {
    "commit": lambda catalog: commit(catalog, THINGS, lambda _: Change(ROWS)),
    "properties": lambda catalog: commit(catalog, THINGS, lambda _: Change(properties={"a": "b"})),
    "a new table": lambda catalog: ensure_table(catalog, TableSpec(type(THINGS)("silver", "new"), SCHEMA)),
    "dropping a table": lambda catalog: catalog.drop_table(THINGS.identifier),
    "purging a table": lambda catalog: catalog.purge_table(THINGS.identifier),
    "renaming a table": lambda catalog: catalog.rename_table(THINGS.identifier, ("bronze", "y")),
    "a file": lambda catalog: Storage(load_table(catalog, THINGS)).write_whole("metadata/x", b""),
    "deleting a file": lambda catalog: Storage(load_table(catalog, THINGS)).delete("/x"),
    "rolling back": lambda catalog: roll_back(catalog, plan_rollback(catalog, OTHERS, first_moment(catalog))),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_copy_can_be_read_and_not_written(copy: Settings, settings: Settings, write: str) -> None:
    before = files_of(settings.home), files_of(copy.home)
    with pytest.raises(ForeignLakeError, match="foss adopt"):
        WRITES[write](open_catalog(copy, create=False))
    assert (files_of(settings.home), files_of(copy.home)) == before
    assert rows_of(copy.home) == rows_of(settings.home)


def test_the_clean_up_of_a_copy_deletes_nothing_of_the_original(copy: Settings, settings: Settings) -> None:
    add(open_catalog(settings), 50)
    wanted, before = rows_of(settings.home), files_of(settings.home)
    with pytest.raises(ForeignLakeError):
        clean_up(copy.home)
    assert files_of(settings.home) == before
    assert rows_of(settings.home) == wanted


def test_feed_is_not_polled_for_a_copy(copy: Settings, feed: Feed) -> None:
    with pytest.raises(ForeignLakeError):
        ingest_poll(open_catalog(copy), feed, requested(feed.name, "1"), lambda _: pytest.fail("it was asked"), {})


def test_dbt_does_not_begin_on_a_copy(copy: Settings) -> None:
    with pytest.raises(ForeignLakeError):
        list(build(copy))
    assert not (copy.home / "dbt").exists()


def test_reading_a_copy_warns(copy: Settings, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    catalog_module._warn_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        rows_of(copy.home)
        rows_of(copy.home)
    assert [str(settings.home) in record.message and "foss adopt" in record.message for record in caplog.records] == [
        True
    ]


def test_a_home_that_was_moved_is_named_as_such(settings: Settings, tmp_path: Path) -> None:
    fill(settings)
    there = Settings(home=moved(settings.home, tmp_path / "there"))
    with pytest.raises(ForeignLakeError, match=r"was moved.*foss adopt"):
        open_catalog(there, create=False)


def test_a_home_that_was_moved_and_started_anew_is_two_lakes(settings: Settings, tmp_path: Path) -> None:
    fill(settings)
    rows = rows_of(settings.home)
    there = Settings(home=moved(settings.home, tmp_path / "there"))
    fill(settings, 2)
    before = files_of(settings.home)
    with pytest.raises(ForeignLakeError, match="was moved"):
        open_catalog(there, create=False)
    catalog = open_catalog(there, create=False, judge=False)
    adopt(catalog, plan_adoption(catalog))
    assert rows_of(there.home) == rows
    add(open_catalog(there), 100)
    clean_up(there.home)
    assert files_of(settings.home) == before


@pytest.mark.parametrize("unmarked", [True, False])
def test_a_catalog_that_is_copied_alone_is_a_copy(settings: Settings, tmp_path: Path, *, unmarked: bool) -> None:
    fill(settings)
    if unmarked:
        unmark(settings.home)
    alone = Settings(home=tmp_path / "alone")
    alone.home.mkdir()
    shutil.copy(settings.home / "catalog.db", alone.home)
    before = files_of(settings.home)
    with pytest.raises(ForeignLakeError, match="is a copy"):
        commit(open_catalog(alone), THINGS, lambda _: Change(ROWS))
    assert files_of(settings.home) == before
    assert not (alone.home / "warehouse").exists()


@pytest.mark.parametrize("how", [copied, moved])
def test_lakes_older_than_ownership_marks(
    settings: Settings, tmp_path: Path, how: Callable[[Path, Path], Path]
) -> None:
    fill(settings)
    unmark(settings.home)
    there = Settings(home=how(settings.home, tmp_path / "there"))
    with pytest.raises(ForeignLakeError, match="foss adopt"):
        commit(open_catalog(there), THINGS, lambda _: Change(ROWS))
    assert not (there.home / "warehouse" / MARK).exists()


def test_a_lake_without_a_mark_gets_one_with_its_next_write(settings: Settings) -> None:
    fill(settings)
    unmark(settings.home)
    rows_of(settings.home)
    assert not (settings.home / "warehouse" / MARK).exists()
    add(open_catalog(settings), 7)
    found = json.loads((settings.home / "warehouse" / MARK).read_text())
    assert found["catalog"]["name"] == str(settings.home / "catalog.db")


def test_links_lead_to_the_same_home(settings: Settings, tmp_path: Path) -> None:
    fill(settings)
    link = tmp_path / "link"
    link.symlink_to(settings.home)
    add(open_catalog(Settings(home=link)), 8)
    # and a home that was moved, with a link where it was
    there = moved(settings.home, tmp_path / "there")
    settings.home.symlink_to(there)
    for home in (settings.home, there, link):
        add(open_catalog(Settings(home=home)), 9)
    assert rows_of(there)[str(THINGS)].count(9) == 3


def test_a_restored_backup_at_the_same_place_is_the_same_home(settings: Settings, tmp_path: Path) -> None:
    fill(settings)
    backup = copied(settings.home, tmp_path / "backup")
    moved(settings.home, tmp_path / "broken")
    copied(backup, settings.home)
    add(open_catalog(settings), 10)


def test_tables_may_lie_in_other_places(settings: Settings, tmp_path: Path) -> None:
    catalog = fill(settings)
    made = catalog.create_table(("gold", "elsewhere"), SCHEMA, location=f"file://{tmp_path}/extra/gold/elsewhere")
    made.append(ROWS)
    again = open_catalog(settings)
    again.load_table(("gold", "elsewhere")).append(ROWS)
    require_own(again)


def test_a_table_in_the_place_of_another_lake_makes_it_read_only(settings: Settings, tmp_path: Path) -> None:
    fill(settings)
    other = Settings(home=tmp_path / "other")
    theirs = load_table(fill(other), OTHERS)
    ours = open_catalog(settings)
    ours.register_table(("silver", "theirs"), theirs.metadata_location) if ours.namespace_exists("silver") else (
        ours.create_namespace("silver"),
        ours.register_table(("silver", "theirs"), theirs.metadata_location),
    )
    with pytest.raises(ForeignLakeError, match="is a copy"):
        add(open_catalog(settings), 1)


def test_unreadable_mark_stops_only_writing(settings: Settings) -> None:
    fill(settings)
    (settings.home / "warehouse" / MARK).write_text("{")
    with pytest.raises(ForeignLakeError, match="mark"):
        add(open_catalog(settings), 1)
    assert rows_of(settings.home)[str(THINGS)]


def _write(home: Path, gate: "multiprocessing.synchronize.Barrier", number: int) -> None:
    catalog = open_catalog(Settings(home=home))
    gate.wait(60)
    ensure_table(catalog, TableSpec(THINGS, SCHEMA))
    commit(catalog, THINGS, lambda _: Change(pa.table({"id": [number], "what": ["x"]}, schema=SCHEMA)))


def test_processes_that_start_an_empty_lake_at_once_agree_on_one_mark(settings: Settings) -> None:
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(3)
    workers = [context.Process(target=_write, args=(settings.home, gate, number)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert rows_of(settings.home)[str(THINGS)] == [0, 1, 2]
    assert [file.name for file in (settings.home / "warehouse").iterdir() if file.is_file()] == [MARK]
    assert ownership_of(open_catalog(settings)).is_marked


@pytest.mark.parametrize("how", [copied, moved])
def test_validation_reports_the_ownership_problem_and_writes_nothing(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    how: Callable[[Path, Path], Path],
) -> None:
    fill(settings)
    there = how(settings.home, tmp_path / "there")
    before = files_of(there)
    code, out, _ = foss_in(there, monkeypatch, capfd)("validate", "--json")
    found = {result["name"]: result for result in json.loads(out)["results"]}
    assert code == 1
    assert found["lake_owned"]["status"] == "failed"
    assert "foss adopt" in found["lake_owned"]["remedy"]
    assert found["store_takes_objects"]["status"] == "skipped"
    assert found["tables_can_be_read"]["status"] == ("passed" if how is copied else "failed")
    assert files_of(there) == before


def test_a_validation_looks_at_real_tables(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fill(settings)
    for file in (settings.home / "warehouse" / "gold").rglob("*.parquet"):
        file.unlink()
    code, out, _ = foss_in(settings.home, monkeypatch, capfd)("validate", "--json", "--only", "lake")
    found = {result["name"]: result for result in json.loads(out)["results"]}
    assert code == 1
    assert found["lake_owned"]["status"] == "passed"
    assert "gold.others" in found["tables_can_be_read"]["detail"]
