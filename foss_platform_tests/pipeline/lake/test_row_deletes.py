"""Commits on tables with delete files of another engine: the files are removed and the rows stay deleted."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import ValidationException
from pyiceberg.manifest import DataFileContent

from foss_platform.errors import PermanentError, TransientError
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.build.rollback import plan_rollback, roll_back
from foss_platform.lake.files.data_files import EVERY_ROW, DataFiles
from foss_platform.lake.files.row_deletes import all_delete_files, has_delete_files, replacement
from foss_platform.lake.maintenance import compaction
from foss_platform.lake.maintenance.compaction import compact
from foss_platform.lake.maintenance.health import table_health
from foss_platform.lake.maintenance.maintain import maintain
from foss_platform.lake.snapshots.points import live_points
from foss_platform.lake.table.statistics import table_size
from foss_platform.lake.table.tables import load_table
from foss_platform.settings import Settings
from foss_platform_tests.foreign import merge_elsewhere
from foss_platform_tests.pipeline.lake.two_days import (
    NAME,
    day_of,
    ids,
    is_clean,
    leave_dangling,
    put,
    rows,
    two_days,
)


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    return two_days(settings)


def test_replacement_removes_delete_files_and_keeps_rows_deleted(settings: Settings, catalog: Catalog) -> None:
    table = merge_elsewhere(catalog, NAME, {1, 2, 6}, rows([100], day=1))
    assert ids(settings, table) == [0, 3, 4, 5, 7, 8, 9, 100]
    assert table_size(table).rows == 8
    # deletes the remaining rows of the first file and more rows of the second
    table = merge_elsewhere(catalog, NAME, {0, 3, 4, 7})
    assert not is_clean(table)
    table = put(catalog, [20], day=2, replaces=day_of(2))
    assert is_clean(table)
    assert ids(settings, table) == [5, 8, 9, 20, 100]
    assert table_size(table).rows == 5
    assert sorted(task.file.record_count for task in table.scan().plan_files()) == [1, 1, 3]


def test_replacing_every_row_removes_delete_files(settings: Settings, catalog: Catalog) -> None:
    merge_elsewhere(catalog, NAME, {1, 6})
    table = put(catalog, [50], replaces=EVERY_ROW)
    assert is_clean(table)
    assert ids(settings, table) == [50]


def test_append_keeps_delete_files(settings: Settings, catalog: Catalog) -> None:
    before = all_delete_files(merge_elsewhere(catalog, NAME, {1, 6}))
    # enough appends to trigger a merge of manifests
    for number in range(50, 58):
        table = put(catalog, [number])
    assert all_delete_files(table) == before
    assert ids(settings, table) == [0, 2, 3, 4, 5, *range(7, 10), *range(50, 58)]


def test_no_file_is_read_without_delete_files(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    table = load_table(catalog, NAME)
    monkeypatch.setattr(type(table), "scan", None)
    monkeypatch.setattr("pyiceberg.table.snapshots.Snapshot.manifests", None)
    assert not has_delete_files(table)
    assert all_delete_files(table) == []


def test_summary_without_count_is_treated_as_having_delete_files(catalog: Catalog) -> None:
    table = merge_elsewhere(catalog, NAME, {1})
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    del snapshot.summary.additional_properties["total-delete-files"]
    assert has_delete_files(table)


@pytest.mark.parametrize("repair", ["maintenance", "replacement", "every row"])
def test_dangling_delete_files_are_reported_and_removed(settings: Settings, catalog: Catalog, repair: str) -> None:
    merge_elsewhere(catalog, NAME, {1, 6, 7})
    table = leave_dangling(catalog)
    assert len(all_delete_files(table)) == 2
    need = "2 delete files remain without their data files, so DuckDB may fail to read it"
    assert table_health(table).needs == (need,)
    if repair == "maintenance":
        maintain(catalog, NAME, datetime.now(UTC), trigger="command")
    else:
        put(catalog, [9], replaces=EVERY_ROW if repair == "every row" else day_of(0))
        put(catalog, [9], replaces=EVERY_ROW if repair == "every row" else day_of(0))
    table = load_table(catalog, NAME)
    assert is_clean(table)
    assert table_health(table).needs == ()
    assert ids(settings, table) == ([] if repair == "maintenance" else [9])


def test_pyiceberg_cannot_remove_delete_files_itself(catalog: Catalog) -> None:
    """If this fails, PyIceberg removes delete files itself and `lake/files/row_deletes.py` can be deleted."""
    table = merge_elsewhere(catalog, NAME, {1})
    producer = table.transaction().update_snapshot().overwrite()
    for file in [*(task.file for task in table.scan().plan_files()), *all_delete_files(table)]:
        producer.delete_data_file(file)
    with pytest.raises(ValidationException, match="Missing required files to delete"):
        producer.commit()


def test_replacement_refuses_files_that_are_already_removed(catalog: Catalog) -> None:
    """If this fails, `replacement` no longer extends PyIceberg's check of required deletes."""
    first = merge_elsewhere(catalog, NAME, {1})
    gone = [task.file for task in first.scan().plan_files()]
    put(catalog, [50], replaces=EVERY_ROW)
    table = merge_elsewhere(catalog, NAME, {50})
    current = [task.file for task in table.scan().plan_files()]
    producer = replacement(table.transaction(), table, [*current, *gone], {})
    with pytest.raises(ValidationException, match="Missing required files to delete"):
        producer.commit()


def test_change_that_would_restore_deleted_rows_is_refused(settings: Settings, catalog: Catalog) -> None:
    table = merge_elsewhere(catalog, NAME, {1, 6})
    first = next(iter(table.scan().plan_files())).file
    with pytest.raises(PermanentError, match="would restore deleted rows in 1 files"):
        commit(catalog, NAME, lambda _: Change(files=DataFiles([], [first])))
    assert ids(settings, load_table(catalog, NAME)) == [0, 2, 3, 4, 5, 7, 8, 9]


def test_compaction_rewrites_files_with_deletes_regardless_of_file_count(settings: Settings, catalog: Catalog) -> None:
    merge_elsewhere(catalog, NAME, {1, 6})
    assert compact(catalog, NAME, max_rows=4).files_before == 0
    assert not is_clean(load_table(catalog, NAME))
    done = compact(catalog, NAME, max_rows=5)
    assert (done.files_before, done.rows) == (2, 8)
    table = load_table(catalog, NAME)
    assert is_clean(table)
    assert ids(settings, table) == [0, 2, 3, 4, 5, 7, 8, 9]


def test_rows_deleted_during_compaction_stay_deleted(
    settings: Settings, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge_elsewhere(catalog, NAME, {1})
    rewrite: Callable[..., object] = compaction._rewrite

    def interrupted(*arguments: object) -> object:
        merge_elsewhere(catalog, NAME, {3})
        return rewrite(*arguments)

    monkeypatch.setattr(compaction, "_rewrite", interrupted)
    with pytest.raises(TransientError, match="during the merge"):
        compact(catalog, NAME)
    monkeypatch.undo()
    compact(catalog, NAME)
    table = load_table(catalog, NAME)
    assert is_clean(table)
    assert ids(settings, table) == [0, 2, 4, 5, 6, 7, 8, 9]


def test_equality_deletes_are_refused_and_reported(catalog: Catalog) -> None:
    before = live_points(load_table(catalog, NAME))[-1]
    table = merge_elsewhere(catalog, NAME, {1}, content=DataFileContent.EQUALITY_DELETES)
    for attempt in (
        lambda: put(catalog, [1], replaces=day_of(0)),
        lambda: put(catalog, [1], replaces=EVERY_ROW),
        lambda: compact(catalog, NAME),
        lambda: roll_back(catalog, plan_rollback(catalog, NAME, before.committed_at)),
        lambda: maintain(catalog, NAME, datetime.now(UTC), trigger="command"),
    ):
        with pytest.raises(PermanentError, match="has equality deletes"):
            attempt()
    assert load_table(catalog, NAME).metadata_location == table.metadata_location
    assert "equality deletes cannot be applied" in table_health(table).needs[0]
