"""A lake moves: the same rows there, polling goes on, the source stays as it is, and whatever ends it, it resumes.

What is moved to is the fixture `target`, so that the same tests can run against other catalogs and stores.
"""

import hashlib
import shutil
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest
import yaml
from pyiceberg.catalog import Catalog
from pyiceberg.types import StringType
from typer.testing import CliRunner

from foss_platform.cli.main import app
from foss_platform.errors import ConfigurationError, LastingError, PassingError
from foss_platform.ingest import bronze
from foss_platform.ingest.feed import Feed
from foss_platform.ingest.moving import owed_to_the_log
from foss_platform.ingest.poll_log import heal_poll_log
from foss_platform.ingest.recording import read_recording
from foss_platform.ingest.schemas import POLLS
from foss_platform.lake import move_copy
from foss_platform.lake.catalog import open_catalog
from foss_platform.lake.commit import Change, commit
from foss_platform.lake.data_files import EVERY_ROW, rows_of
from foss_platform.lake.move import history_left_behind, move_tables
from foss_platform.lake.move_check import Fingerprint, fingerprint
from foss_platform.lake.move_copy import MOVED_PROPERTY, Phase, Step
from foss_platform.lake.move_plan import Standing, plan_move
from foss_platform.lake.move_target import open_target, read_target, without_secrets
from foss_platform.lake.names import TableName
from foss_platform.lake.positions import own_position
from foss_platform.lake.tables import TableSpec, ensure_table, list_tables, load_table
from foss_platform.settings import Settings
from foss_platform.transform.project import target_folder
from foss_platform_tests.faults.points import Points
from foss_platform_tests.faults.trial import attempt
from foss_platform_tests.pipeline.test_law import EXCERPT, GOLD, SILVER, Pipeline, compare, expected, made_up_polls
from foss_platform_tests.tables import Row

MODELS = (SILVER, *GOLD)
NAME = TableName("bronze", "things")
_COLUMNS: dict[str, pa.DataType] = {"id": pa.int64(), "what": pa.string()}
SCHEMA = pa.schema(_COLUMNS)


@dataclass(frozen=True)
class Target:
    """Where a lake moves to: the file that says so, and the settings of a platform that works there."""

    file: Path
    settings: Settings

    def catalog(self) -> Catalog:
        catalog = open_target(read_target(self.file, {}))
        assert catalog is not None
        return catalog


@pytest.fixture
def target(tmp_path: Path, settings: Settings, parsed_project: Path) -> Target:
    home = tmp_path / "elsewhere"
    there = settings.model_copy(update={"home": home})
    shutil.copytree(parsed_project, target_folder(there))
    lake = {"type": "sql", "uri": f"sqlite:///{home}/catalog.db", "warehouse": f"file://{home}/warehouse"}
    return Target(written(tmp_path / "target.yaml", lake), there)


def written(file: Path, lake: dict[str, Any]) -> Path:
    file.write_text(yaml.safe_dump({"catalog": {"lake": lake}}))
    return file


def carry(source: Catalog, target: Catalog, only: tuple[TableName, ...] = ()) -> tuple[list[Step], dict[str, str]]:
    """Move, and say which steps there were and what was verified."""
    steps: list[Step] = []
    plan = plan_move(source, target, only)
    verified = move_tables(plan, source, target, owed_to_the_log(plan.sources), steps.append)
    return steps, {str(name): str(found) for name, found in verified.items()}


def carry_or_die(home: Path, file: Path, kill_at: int) -> list[str]:
    """Move in a process of its own, which ends at a point; returns the points passed."""
    points = Points(kill_at)
    catalog = open_target(read_target(file, {}))
    assert catalog is not None
    source = open_catalog(Settings(home=home), create=False)
    plan = plan_move(source, catalog)

    def progress(step: Step) -> None:
        points.at(step.name)
        points.reach(step.phase)

    move_tables(plan, source, catalog, owed_to_the_log(plan.sources), progress)
    return points.reached


def rows(catalog: Catalog, name: str, *left_out: str) -> list[Row]:
    """All rows, with the numbers of the commits that brought them unless left out."""
    found = catalog.load_table(name).scan().to_arrow().drop_columns(list(left_out)).to_pylist()
    return sorted(found, key=lambda row: str(list(row.values())))


def everything(catalog: Catalog) -> dict[str, list[Row]]:
    return {str(name): rows(catalog, str(name)) for name in list_tables(catalog)}


def tree(folder: Path) -> dict[str, str]:
    """Each file of the lake and the hash of its content; dbt's own folder left out."""
    places = [folder / "catalog.db", *(folder / "warehouse").rglob("*")]
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in places if p.is_file()}


def put(catalog: Catalog, *ids: int) -> None:
    commit(catalog, NAME, lambda _: Change(pa.table({"id": ids, "what": [str(i) for i in ids]}, schema=SCHEMA)))


@pytest.fixture
def small(settings: Settings) -> Catalog:
    """A lake of one table with three commits."""
    catalog = open_catalog(settings)
    ensure_table(catalog, TableSpec(NAME, SCHEMA, key=("id",)))
    for number in range(3):
        put(catalog, number, number + 10)
    return catalog


def test_the_excerpt_moves_and_polling_goes_on(parsed_settings: Settings, feed: Feed, target: Target) -> None:
    here = Pipeline(parsed_settings, feed)
    polls = list(read_recording(EXCERPT))
    first, last = polls[:-6], polls[-6:]
    for start in range(0, len(first), 200):
        here.take_in(first[start : start + 200])
    here.build()
    here.take_in(first[-1:])
    before, files = everything(here.catalog), tree(parsed_settings.home)
    destination = target.catalog()
    _, verified = carry(here.catalog, destination)
    assert verified.keys() == before.keys()
    assert everything(destination) == before
    assert tree(parsed_settings.home) == files
    for name in list_tables(here.catalog):
        old, new = load_table(here.catalog, name), load_table(destination, name)
        assert new.schema() == old.schema()
        assert new.metadata.table_uuid == old.metadata.table_uuid
        assert old.properties.items() <= new.properties.items()
        assert own_position(new) >= own_position(old)

    there = Pipeline(target.settings, feed)
    standing = there.snapshots()
    there.take_in(first)
    there.build()
    assert everything(there.catalog) == before
    assert there.snapshots() == standing
    highest = max(row["_sequence_number"] for row in before[str(feed.bronze)])
    for poll in last:
        there.take_in([poll])
    after = rows(there.catalog, str(feed.bronze))
    assert [row for row in after if row["_sequence_number"] <= highest] == before[str(feed.bronze)]
    assert len(after) > len(before[str(feed.bronze)])
    there.build()
    for table in (SILVER, "gold.parking_latest", "gold.parking_feed_health"):
        snapshot = there.catalog.load_table(table).current_snapshot()
        assert snapshot is not None
        assert snapshot.summary is not None
        assert snapshot.summary.additional_properties["foss.build"] == "step", table
    stepped = {table: rows(there.catalog, table) for table in MODELS}
    compare(stepped, expected(there, polls))
    there.build(full_refresh=True)
    assert {table: rows(there.catalog, table) for table in MODELS} == stepped
    assert tree(parsed_settings.home) == files


def test_killed_again_and_again_it_ends_whole(settings: Settings, feed: Feed, target: Target) -> None:
    here = Pipeline(settings, feed)
    for poll in made_up_polls(3, 4):
        here.take_in([poll])
    before, files = everything(here.catalog), tree(settings.home)
    for kill_at in count(0, 3):
        trial = attempt(carry_or_die, settings.home, target.file, kill_at)
        if not trial.killed:
            break
    assert kill_at > 10
    assert everything(target.catalog()) == before
    assert tree(settings.home) == files
    assert {move.standing for move in plan_move(here.catalog, target.catalog()).tables} == {Standing.COMPLETE}
    for name in list_tables(here.catalog):
        assert len(load_table(target.catalog(), name).snapshots()) <= 1


@pytest.mark.parametrize("phase", list(Phase))
def test_ended_after_any_step_it_is_resumed(small: Catalog, target: Target, phase: Phase) -> None:
    destination = target.catalog()
    plan = plan_move(small, destination)

    def stop(step: Step) -> None:
        if step.phase is phase:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move_tables(plan, small, destination, {}, stop)
    steps, verified = carry(small, destination)
    assert [step.phase for step in steps if step.phase is not Phase.COPYING] == {
        Phase.MADE: [Phase.COPIED, Phase.VERIFIED],
        Phase.COPYING: [Phase.COPIED, Phase.VERIFIED],
        Phase.COPIED: [Phase.VERIFIED],
        Phase.VERIFIED: [Phase.VERIFIED],
    }[phase]
    assert bool(verified) == (phase is not Phase.VERIFIED)
    assert everything(destination) == everything(small)


def test_what_has_changed_since_is_copied_anew(small: Catalog, target: Target) -> None:
    destination = target.catalog()
    carry(small, destination)
    assert carry(small, destination)[1] == {}
    put(small, 99)
    assert [move.standing for move in plan_move(small, destination).tables] == [Standing.STALE]
    carry(small, destination)
    assert everything(destination) == everything(small)
    # a position without a row is a change as well
    commit(small, NAME, lambda _: Change(properties={"foss.position.s": "u:7"}))
    carry(small, destination)
    assert load_table(destination, NAME).properties["foss.position.s"] == "u:7"


def test_a_target_that_goes_on_is_complete_and_never_overwritten(small: Catalog, target: Target) -> None:
    destination = target.catalog()
    carry(small, destination)
    put(destination, 50)
    went_on = everything(destination)
    assert carry(small, destination)[1] == {}
    put(small, 99)
    with pytest.raises(LastingError, match=r"bronze\.things was written to at the target"):
        carry(small, destination)
    assert everything(destination) == went_on


def test_a_source_that_is_written_to_meanwhile_is_said(small: Catalog, target: Target) -> None:
    destination = target.catalog()
    plan = plan_move(small, destination)
    with pytest.raises(PassingError, match="written to while it was being moved"):
        move_tables(plan, small, destination, {}, lambda step: put(small, 7) if step.phase is Phase.COPIED else None)
    carry(small, destination)
    assert everything(destination) == everything(small)


def test_a_copy_that_differs_is_dropped(small: Catalog, target: Target) -> None:
    destination = target.catalog()

    def one_short(*arguments: Any) -> pa.RecordBatchReader:
        return rows_of(*arguments).read_all().slice(1).to_reader()

    with (
        patch.object(move_copy, "rows_of", one_short),
        pytest.raises(LastingError, match=r"bronze\.things is not the same as the source: the source holds 6 rows"),
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


def test_what_the_log_is_owed_goes_along(settings: Settings, feed: Feed, target: Target) -> None:
    here = Pipeline(settings, feed)
    polls = made_up_polls(4, 6)
    here.take_in(polls[:5])
    with (
        patch.object(bronze, "log_polls", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        here.take_in(polls[5:])
    destination = target.catalog()
    carry(here.catalog, destination)
    assert heal_poll_log(destination, feed, {}).added == heal_poll_log(here.catalog, feed, {}).added > 0
    assert rows(destination, str(POLLS), "_sequence_number") == rows(here.catalog, str(POLLS), "_sequence_number")


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


def test_only_what_is_asked_for(small: Catalog, target: Target) -> None:
    ensure_table(small, TableSpec(TableName("gold", "others"), SCHEMA))
    destination = target.catalog()
    carry(small, destination, (NAME,))
    assert list_tables(destination) == [NAME]
    carry(small, destination)
    # a table without a row is complete as well
    assert {move.standing for move in plan_move(small, destination).tables} == {Standing.COMPLETE}
    with pytest.raises(ConfigurationError, match=r"no table gold\.none"):
        plan_move(small, destination, (TableName("gold", "none"),))


def test_a_partitioned_table_is_refused(small: Catalog, target: Target) -> None:
    with load_table(small, NAME).update_spec() as update:
        update.add_field("what", "identity")
    with pytest.raises(LastingError, match=r"Partitioned tables cannot be moved: bronze\.things"):
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
    with pytest.raises(ConfigurationError, match="where the source's files are"):
        carry(small, destination)
    assert tree(settings.home) == files


def test_a_moved_lake_moves_on(small: Catalog, target: Target, tmp_path: Path) -> None:
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


WRONG = {
    "missing": (None, "cannot be read"),
    "no YAML": ("catalog: [secret", "line 1"),
    "no lake": ("catalog: {other: {uri: secret}}", "no catalog named lake"),
    "a list": ("[secret]", "no catalog named lake"),
    "no uri": ("catalog: {lake: {type: sql, s3.secret-access-key: secret}}", "no uri"),
    "no warehouse": ("catalog: {lake: {uri: 'sqlite:////secret'}}", "no warehouse"),
    "no text": ("catalog: {lake: {type: sql, uri: [secret]}}", "uri of the catalog must be plain text"),
    "no type": ("catalog: {lake: {uri: 'odd://secret'}}", "which type"),
    "a type unknown": ("catalog: {lake: {type: secret, uri: 'sqlite://'}}", "which type"),
    "unset": ("catalog: {lake: {uri: '${SURELY_UNSET}', token: '${ALSO_UNSET} secret'}}", "ALSO_UNSET, SURELY_UNSET"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_target_file_is_one_clear_error(tmp_path: Path, wrong: str) -> None:
    text, says = WRONG[wrong]
    file = tmp_path / "target.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError, match=says) as caught:
        read_target(file, {})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "lake",
    [
        {"type": "sql", "uri": "nodriver://u:secret@127.0.0.1/x", "warehouse": "s3://u/x"},
        {"type": "sql", "uri": "secret", "warehouse": "s3://u/x"},
        {"type": "sql", "uri": "sqlite:////surely/not/there.db", "warehouse": "s3://u/x"},
        {"type": "glue", "warehouse": "x", "uri": "x", "glue.id": "secret"},
    ],
)
def test_a_target_that_cannot_be_opened_is_one_clear_error(tmp_path: Path, lake: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_target(read_target(written(tmp_path / "target.yaml", lake), {}))
    assert "u:secret" not in str(caught.value)


def test_a_target_that_does_not_answer_is_said_without_secrets(tmp_path: Path) -> None:
    lake = {"type": "rest", "uri": "http://u:secret@127.0.0.1:1", "token": "secret"}
    with pytest.raises(PassingError, match=r"The target, rest catalog at http://127\.0\.0\.1:1") as caught:
        open_target(read_target(written(tmp_path / "target.yaml", lake), {}))
    assert "secret" not in str(caught.value)


def test_secrets_come_from_the_environment_and_are_never_shown(tmp_path: Path) -> None:
    lake = {"uri": "postgresql+psycopg2://me:${PASSWORD}@db:5432/lake?sslkey=x", "s3.secret-access-key": "${KEY}"}
    lake["warehouse"] = "s3://lake"
    found = read_target(written(tmp_path / "target.yaml", lake), {"PASSWORD": "a/b?c@d", "KEY": "hidden"})
    assert found.properties["uri"] == "postgresql+psycopg2://me:a/b?c@d@db:5432/lake?sslkey=x"
    assert str(found) == "sql catalog at postgresql+psycopg2://db:5432/lake, warehouse s3://lake"
    assert "hidden" not in repr(found)
    assert found.variables() == [
        f"PYICEBERG_CATALOG__LAKE__{name}" for name in ("S3__SECRET_ACCESS_KEY", "URI", "WAREHOUSE")
    ]
    assert without_secrets("sqlite:////a/b.db") == "sqlite:////a/b.db"


def test_the_source_s_configuration_does_not_reach_the_target(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyiceberg.utils.config import Config

    monkeypatch.setattr(Config, "get_catalog_config", lambda *_: {"s3.endpoint": "http://here"})
    assert "s3.endpoint" not in target.catalog().properties


@pytest.fixture
def foss() -> CliRunner:
    return CliRunner()


def test_a_dry_run_writes_nothing(small: Catalog, settings: Settings, target: Target, foss: CliRunner) -> None:
    files = tree(settings.home)
    there = sorted(target.settings.home.iterdir())
    result = foss.invoke(app, ["move", "--to", str(target.file), "--dry-run"])
    assert result.exit_code == 0, result.output
    assert "bronze.things" in result.output
    assert "nothing was written" in result.output
    assert sorted(target.settings.home.iterdir()) == there
    # neither where the catalog's file is there and empty
    (target.settings.home / "catalog.db").touch()
    assert foss.invoke(app, ["move", "--to", str(target.file), "--dry-run"]).exit_code == 0
    assert (target.settings.home / "catalog.db").stat().st_size == 0
    assert tree(settings.home) == files
    assert small.list_tables("bronze")


def test_the_command_moves_and_says_what_next(
    small: Catalog, settings: Settings, target: Target, foss: CliRunner
) -> None:
    arguments = ["move", "--to", str(target.file)]
    assert isinstance(foss.invoke(app, arguments).exception, ConfigurationError)
    result = foss.invoke(app, [*arguments, "--yes"])
    assert result.exit_code == 0, result.output
    assert "PYICEBERG_CATALOG__LAKE__URI" in result.output
    assert "History that stays here" in result.output
    assert everything(target.catalog()) == everything(small)
    assert "complete" in foss.invoke(app, [*arguments, "--dry-run"]).output
