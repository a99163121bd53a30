"""A lake moves: the same rows there, polling goes on, the source stays as it is, and whatever ends it, it resumes.

What is moved to is the fixture `target`, so that the same tests can run against other catalogs and stores.
"""

from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.types import StringType

from foss_platform.errors import ConfigurationError, PermanentError, TransientError
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.recording.recording import read_recording
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.files.data_files import EVERY_ROW, rows_of
from foss_platform.lake.move import copy as move_copy
from foss_platform.lake.move.check import Fingerprint, fingerprint
from foss_platform.lake.move.copy import MOVED_PROPERTY, Phase, Step
from foss_platform.lake.move.move_lake import history_left_behind, move_tables
from foss_platform.lake.move.plan import MoveStatus, plan_move
from foss_platform.lake.move.target import open_target, read_target
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table, list_tables, load_table
from foss_platform.settings import Settings
from foss_platform_tests.faults.injection.trial import attempt
from foss_platform_tests.pipeline.move import moving_lake as moving
from foss_platform_tests.pipeline.move.moving_lake import (
    NAME,
    SCHEMA,
    Target,
    carry,
    carry_or_die,
    everything,
    goes_on,
    is_the_same,
    put,
    rows,
    tree,
    written,
)
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import EXCERPT, Pipeline, made_up_polls

target = moving.target
small = moving.small


def test_the_excerpt_moves_and_polling_goes_on(parsed_settings: Settings, feed: Feed, target: Target) -> None:
    here = Pipeline(parsed_settings, feed)
    polls = list(read_recording(EXCERPT))
    first = polls[:-6]
    for start in range(0, len(first), 200):
        here.ingest(first[start : start + 200])
    here.build()
    files = tree(parsed_settings.home)
    destination = target.catalog()
    _, verified = carry(here.catalog, destination)
    assert verified.keys() == everything(here.catalog).keys()
    is_the_same(here.catalog, destination)
    goes_on(Pipeline(target.settings, feed), polls, new=6)
    assert tree(parsed_settings.home) == files


def test_move_killed_repeatedly_completes(settings: Settings, feed: Feed, target: Target) -> None:
    here = Pipeline(settings, feed)
    for poll in made_up_polls(3, 4):
        here.ingest([poll])
    before, files = everything(here.catalog), tree(settings.home)
    for kill_at in count(0, 3):
        trial = attempt(carry_or_die, settings.home, target.file, kill_at)
        if not trial.killed:
            break
    assert kill_at > 10
    assert everything(target.catalog()) == before
    assert tree(settings.home) == files
    assert {move.status for move in plan_move(here.catalog, target.catalog()).tables} == {MoveStatus.COMPLETE}
    for name in list_tables(here.catalog):
        assert len(load_table(target.catalog(), name).snapshots()) <= 1


@pytest.mark.parametrize("phase", list(Phase))
def test_move_ended_after_any_step_is_resumed(small: Catalog, target: Target, phase: Phase) -> None:
    destination = target.catalog()
    plan = plan_move(small, destination)

    def stop(step: Step) -> None:
        if step.phase is phase:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move_tables(plan, small, destination, stop)
    steps, verified = carry(small, destination)
    assert [step.phase for step in steps if step.phase is not Phase.COPYING] == {
        Phase.MADE: [Phase.COPIED, Phase.VERIFIED],
        Phase.COPYING: [Phase.COPIED, Phase.VERIFIED],
        Phase.COPIED: [Phase.VERIFIED],
        Phase.VERIFIED: [Phase.VERIFIED],
    }[phase]
    assert bool(verified) == (phase is not Phase.VERIFIED)
    assert everything(destination) == everything(small)


def test_changed_table_is_copied_again(small: Catalog, target: Target) -> None:
    destination = target.catalog()
    carry(small, destination)
    assert carry(small, destination)[1] == {}
    put(small, 99)
    assert [move.status for move in plan_move(small, destination).tables] == [MoveStatus.STALE]
    carry(small, destination)
    assert everything(destination) == everything(small)
    # a position without a row is a change as well
    commit(small, NAME, lambda _: Change(properties={"foss.position.s": "u:7"}))
    carry(small, destination)
    assert load_table(destination, NAME).properties["foss.position.s"] == "u:7"


def test_target_with_new_commits_is_complete_and_not_overwritten(small: Catalog, target: Target) -> None:
    destination = target.catalog()
    carry(small, destination)
    put(destination, 50)
    has_later_commits = everything(destination)
    assert carry(small, destination)[1] == {}
    put(small, 99)
    with pytest.raises(PermanentError, match=r"bronze\.things was written to both here and at the target"):
        carry(small, destination)
    assert everything(destination) == has_later_commits


def test_source_written_during_a_move_is_reported(small: Catalog, target: Target) -> None:
    destination = target.catalog()
    plan = plan_move(small, destination)
    with pytest.raises(TransientError, match="written to during the move"):
        move_tables(plan, small, destination, lambda step: put(small, 7) if step.phase is Phase.COPIED else None)
    carry(small, destination)
    assert everything(destination) == everything(small)


def test_a_copy_that_differs_is_dropped(small: Catalog, target: Target) -> None:
    destination = target.catalog()

    def one_short(*arguments: Any) -> pa.RecordBatchReader:
        return rows_of(*arguments).read_all().slice(1).to_reader()

    with (
        patch.object(move_copy, "rows_of", one_short),
        pytest.raises(PermanentError, match=r"bronze\.things is not the same as the source: the source holds 6 rows"),
    ):
        carry(small, destination)
    assert list_tables(destination) == []
    carry(small, destination)
    assert everything(destination) == everything(small)


def test_the_fingerprint_sees_values_repeats_and_columns(small: Catalog) -> None:
    def of(ids: list[int | None], what: list[str | None]) -> Fingerprint:
        table = pa.table({"id": ids, "what": what}, schema=SCHEMA)
        return fingerprint(commit(small, NAME, lambda _: Change(table, EVERY_ROW)))

    known = of([1, 2], ["a", "b"])
    assert of([2, 1], ["b", "a"]) == known
    others = [of([1, 2], ["b", "a"]), of([1, 1, 2], ["a", "a", "b"]), of([1, None], ["a", "b"]), of([], [])]
    assert len({known, *others, of([1, 1, 1, 2], ["a", "a", "a", "b"])}) == 6


def test_columns_that_have_changed_keep_their_ids_and_values(small: Catalog, target: Target) -> None:
    with load_table(small, NAME).update_schema() as update:
        update.rename_column("id", "number")
        update.delete_column("what")
        update.add_column("late", StringType(), doc="came late")
    before = rows(small, str(NAME))
    commit(small, NAME, lambda table: Change(pa.Table.from_pylist([{"late": "x"}], table.schema().as_arrow())))
    destination = target.catalog()
    carry(small, destination)
    assert len(rows(destination, str(NAME))) == len(before) + 1
    assert rows(destination, str(NAME)) == rows(small, str(NAME))
    copy = load_table(destination, NAME)
    assert (copy.schema(), copy.schemas()) == (load_table(small, NAME).schema(), load_table(small, NAME).schemas())
    assert copy.schema().find_field("late").doc == "came late"


def test_only_the_selected_tables_are_moved(small: Catalog, target: Target) -> None:
    ensure_table(small, TableSpec(TableName("gold", "others"), SCHEMA))
    destination = target.catalog()
    carry(small, destination, (NAME,))
    assert list_tables(destination) == [NAME]
    carry(small, destination)
    # a table without a row is complete as well
    assert {move.status for move in plan_move(small, destination).tables} == {MoveStatus.COMPLETE}
    with pytest.raises(ConfigurationError, match=r"no table gold\.none"):
        plan_move(small, destination, (TableName("gold", "none"),))


def test_a_partitioned_table_is_refused(small: Catalog, target: Target) -> None:
    with load_table(small, NAME).update_spec() as update:
        update.add_field("what", "identity")
    with pytest.raises(PermanentError, match=r"Partitioned tables cannot be moved: bronze\.things"):
        plan_move(small, target.catalog())


def test_history_stays_behind(small: Catalog, target: Target) -> None:
    (left,) = history_left_behind(plan_move(small, target.catalog()))
    assert (left.name, left.live, left.pinned) == (NAME, 2, 0)
    assert left.oldest is not None


def test_a_target_that_holds_other_tables_is_refused(small: Catalog, target: Target) -> None:
    destination = target.catalog()
    ensure_table(destination, TableSpec(TableName("gold", "theirs"), SCHEMA))
    with pytest.raises(ConfigurationError, match=r"gold\.theirs"):
        carry(small, destination)
    assert list_tables(destination) == [TableName("gold", "theirs")]


def test_the_lake_itself_and_its_own_warehouse_are_refused(small: Catalog, settings: Settings, tmp_path: Path) -> None:
    files = tree(settings.home)
    with pytest.raises(ConfigurationError, match="the lake itself"):
        carry(small, small)
    same = {"type": "sql", "uri": f"sqlite:///{tmp_path}/other.db", "warehouse": str(settings.home / "warehouse")}
    destination = open_target(read_target(written(tmp_path / "same.yaml", same), {}))
    assert destination is not None
    with pytest.raises(ConfigurationError, match="belongs to the catalog"):
        carry(small, destination)
    assert tree(settings.home) == files


def test_moved_lake_can_be_moved_again(small: Catalog, target: Target, tmp_path: Path) -> None:
    destination = target.catalog()
    carry(small, destination)
    put(destination, 70)
    lake = {"type": "sql", "uri": f"sqlite:///{tmp_path}/third.db", "warehouse": f"file://{tmp_path}/third"}
    third = open_target(read_target(written(tmp_path / "third.yaml", lake), {}))
    assert third is not None
    carry(destination, third)
    assert everything(third) == everything(destination)
    snapshot = load_table(destination, NAME).metadata.current_snapshot_id
    assert load_table(third, NAME).properties[MOVED_PROPERTY] == str(snapshot)
