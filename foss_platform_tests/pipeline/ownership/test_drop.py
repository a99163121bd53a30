"""Tables without a producer: marked, dropped, restored, and deleted after the policy's retention.

Held here also: a table made anew in the place of a dropped one, drops and restorings that are ended in the middle,
and what is refused.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from foss_platform.cli.operate.drop import complete_dropped
from foss_platform.errors import ConfigurationError, PermanentError
from foss_platform.lake.adopt.adopt import adopt, plan_adoption
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files.table_files import Storage
from foss_platform.lake.maintenance.dropped_files import remove_for_good
from foss_platform.lake.maintenance.dropped_tables import RECORDS, drop_table, dropped_tables, restore_table
from foss_platform.lake.maintenance.maintain import maintain
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import TablePolicy
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_table
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.cli.command_line import Foss, foss_in
from foss_platform_tests.pipeline.ownership.copies import (
    OTHERS,
    SCHEMA,
    THINGS,
    add,
    clean_up,
    copied,
    files_of,
    fill,
    rows_of,
)

NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=TablePolicy().keep_days, minutes=1)


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    return fill(settings)


@pytest.fixture
def foss(parsed_settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Foss:
    fill(parsed_settings)
    return foss_in(parsed_settings.home, monkeypatch, capfd)


def drop(catalog: Catalog) -> None:
    drop_table(catalog, THINGS, NOW)


def restore(catalog: Catalog) -> None:
    restore_table(catalog, THINGS)


def records(settings: Settings) -> list[Path]:
    return list((settings.home / "warehouse" / RECORDS).glob("*.json"))


def test_dropped_table_is_restored_unchanged(settings: Settings, catalog: Catalog) -> None:
    rows, uuid = rows_of(settings.home), load_table(catalog, THINGS).metadata.table_uuid
    states = len(load_table(catalog, THINGS).metadata.snapshots)
    drop_table(catalog, THINGS, NOW)
    assert str(THINGS) not in rows_of(settings.home)
    clean_up_other(settings)
    restore_table(open_catalog(settings), THINGS)
    assert rows_of(settings.home) == rows
    table = load_table(open_catalog(settings), THINGS)
    assert (table.metadata.table_uuid, len(table.metadata.snapshots)) == (uuid, states)
    assert not records(settings)
    add(open_catalog(settings), 70)


def clean_up_other(settings: Settings) -> None:
    maintain(open_catalog(settings), OTHERS, LATER, trigger="command", older_than=timedelta())


def test_files_are_deleted_after_the_policys_retention_and_not_before(settings: Settings, catalog: Catalog) -> None:
    folder = settings.home / "warehouse" / "bronze" / "things"
    drop_table(catalog, THINGS, NOW)
    files = sorted(folder.rglob("*"))
    assert remove_for_good(catalog, LATER - timedelta(minutes=2)) == []
    assert sorted(folder.rglob("*")) == files
    others = {name for name in files_of(settings.home) if "/gold/" in name}
    planned = remove_for_good(catalog, LATER, dry_run=True)
    assert sorted(folder.rglob("*")) == files
    assert remove_for_good(catalog, LATER) == planned
    assert not [file for file in folder.rglob("*") if file.is_file()]
    assert {name for name in files_of(settings.home) if "/gold/" in name} == others
    assert not records(settings)
    with pytest.raises(ConfigurationError, match="can be restored"):
        restore_table(catalog, THINGS)


def test_the_policy_says_how_long(settings: Settings) -> None:
    catalog = open_catalog(settings)
    ensure_table(catalog, TableSpec(THINGS, SCHEMA, policy=TablePolicy(keep_days=2)))
    assert drop_table(catalog, THINGS, NOW).keep_until == NOW + timedelta(days=2)


def test_new_table_in_its_place_does_not_affect_the_dropped_table(settings: Settings, catalog: Catalog) -> None:
    rows = rows_of(settings.home)[str(THINGS)]
    dropped = drop_table(catalog, THINGS, NOW)
    ensure_table(catalog, TableSpec(THINGS, SCHEMA))
    assert load_table(catalog, THINGS).location() == dropped.location
    add(catalog, 80)
    with pytest.raises(ConfigurationError, match="again"):
        restore_table(catalog, THINGS)
    clean_up(settings.home)
    drop_table(catalog, THINGS, NOW + timedelta(seconds=1))
    restore_table(catalog, THINGS)
    assert rows_of(settings.home)[str(THINGS)] == [80]
    drop_table(catalog, THINGS, NOW)
    first = [found for found in dropped_tables(catalog) if found == dropped]
    catalog.register_table(THINGS.identifier, first[0].metadata)
    assert rows_of(settings.home)[str(THINGS)] == rows


def test_a_new_table_keeps_its_files_when_the_old_ones_time_is_over(settings: Settings, catalog: Catalog) -> None:
    drop_table(catalog, THINGS, NOW)
    ensure_table(catalog, TableSpec(THINGS, SCHEMA))
    add(catalog, 80)
    before = set(files_of(settings.home))
    assert remove_for_good(catalog, LATER) == []
    assert before - set(files_of(settings.home)) == {name for name in before if RECORDS in name}
    clean_up(settings.home)
    assert rows_of(settings.home)[str(THINGS)] == [80]


@pytest.mark.parametrize("step", ["drop_table", "register_table"])
def test_interrupted_drop_or_restore_loses_nothing(
    settings: Settings, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    rows = rows_of(settings.home)
    real = getattr(type(catalog), step)

    def dies(*arguments: object) -> None:
        if step == "register_table":
            real(*arguments)
        raise KeyboardInterrupt

    if step == "register_table":
        drop_table(catalog, THINGS, NOW)
    begin = restore if step == "register_table" else drop
    with monkeypatch.context() as patch:
        patch.setattr(type(catalog), step, dies)
        with pytest.raises(KeyboardInterrupt):
            begin(catalog)
    assert records(settings)
    assert dropped_tables(catalog) == []
    assert remove_for_good(catalog, LATER) == []
    clean_up(settings.home)
    assert rows_of(settings.home) == rows
    drop_table(catalog, THINGS, NOW)
    restore_table(catalog, THINGS)
    assert rows_of(settings.home) == rows


def test_a_removal_that_is_ended_goes_on(settings: Settings, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    drop_table(catalog, THINGS, NOW)
    real, count = Storage.delete, 0

    def dies(storage: Storage, path: str) -> None:
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        real(storage, path)

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "delete", dies)
        with pytest.raises(KeyboardInterrupt):
            remove_for_good(catalog, LATER)
    remove_for_good(catalog, LATER)
    assert not [name for name in files_of(settings.home) if "/bronze/" in name or RECORDS in name]


def test_a_record_that_cannot_be_read_stops_the_removal(settings: Settings, catalog: Catalog) -> None:
    drop_table(catalog, THINGS, NOW)
    records(settings)[0].write_text("{")
    with pytest.raises(PermanentError, match="record"):
        remove_for_good(catalog, LATER)


def test_a_table_of_another_engine_in_another_folder(settings: Settings, catalog: Catalog) -> None:
    name = TableName("gold", "made_by_trino")
    place = f"{settings.home}/warehouse/gold/made_by_trino-0a1b2c"
    made = catalog.create_table(name.identifier, SCHEMA, location=f"file://{place}")
    drop_table(catalog, name, NOW)
    restore_table(catalog, name)
    assert load_table(catalog, name).metadata.table_uuid == made.metadata.table_uuid
    drop_table(catalog, name, NOW)
    remove_for_good(catalog, LATER)
    assert not [file for file in Path(place).rglob("*") if file.is_file()]


def test_a_dropped_table_can_be_restored_in_an_adopted_copy(
    settings: Settings, catalog: Catalog, tmp_path: Path
) -> None:
    rows = rows_of(settings.home)
    drop_table(catalog, THINGS, NOW)
    copy = Settings(home=copied(settings.home, tmp_path / "copy"))
    files, theirs = files_of(settings.home), open_catalog(copy, judge=False)
    adopt(theirs, plan_adoption(theirs))
    restore_table(theirs, THINGS)
    assert rows_of(copy.home) == rows
    assert load_table(theirs, THINGS).location().startswith(f"file://{copy.home}/")
    assert files_of(settings.home) == files


def test_the_command(foss: Foss, parsed_settings: Settings) -> None:
    before = files_of(parsed_settings.home)
    code, out, _ = foss("tables", "--json")
    found = {line["table"]: line for line in json.loads(out)}
    assert code == 0
    assert found["gold.others"]["is_left_over"] is True
    assert found["ops.maintenance_log"]["is_left_over"] is False if "ops.maintenance_log" in found else True
    assert "foss drop" in foss("tables")[1]
    code, out, err = foss("drop", "gold.others", "--dry-run")
    assert (code, "nothing was changed" in err, "gold.others" in out) == (0, True, True)
    assert foss("drop", "gold.others")[0] == 2
    assert files_of(parsed_settings.home) == before
    code, out, _ = foss("drop", "gold.others", "--yes")
    assert (code, "foss drop --restore gold.others" in out) == (0, True)
    assert complete_dropped("go") == ["gold.others"]
    assert [line["table"] for line in json.loads(foss("drop", "--json")[1])] == ["gold.others"]
    assert foss("sql", "select 1 from gold.others")[0] != 0
    code, out, _ = foss("drop", "--restore", "gold.others")
    assert (code, "was restored" in out) == (0, True)
    assert foss("drop", "--restore", "gold.others")[0] == 2
    assert foss("sql", "select count(*) from gold.others")[0] == 0


def test_what_a_model_or_page_makes_is_not_dropped_by_mistake(foss: Foss, parsed_settings: Settings) -> None:
    catalog = open_catalog(parsed_settings)
    made = {
        TableName("gold", "parking_latest"): "parking_latest.sql",
        TableName("bronze", "stavanger_parking"): "page of pipeline stavanger_parking",
        TableName("bronze", "stavanger_parking__rejected"): "quarantine",
        TableName("ops", "polls"): "platform itself",
    }
    for name, maker in made.items():
        ensure_table(catalog, TableSpec(name, SCHEMA))
        code, _, err = foss("drop", str(name), "--yes")
        assert (code, maker in err) == (2, True), err
    found = {line["table"]: line for line in json.loads(foss("tables", "--json", "--quick")[1])}
    assert all(found[str(name)]["is_left_over"] is False for name in made)
    assert foss("drop", "gold.parking_latest", "--yes", "--force")[0] == 0


def test_nothing_is_marked_when_the_project_cannot_be_read(
    foss: Foss, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FOSS_DBT_PROJECT", str(tmp_path / "none"))
    code, out, err = foss("tables", "--json")
    assert code == 0
    assert {line["is_left_over"] for line in json.loads(out)} == {None}
    assert "are not marked" in err
    code, _, err = foss("drop", "gold.others", "--yes")
    assert (code, "--force" in err) == (2, True)
