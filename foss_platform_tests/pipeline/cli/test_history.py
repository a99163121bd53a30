"""`foss history` and `foss diff` on a real lake."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog

from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.files.data_files import EVERY_ROW
from foss_platform.lake.maintenance.compaction import compact
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_table
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.cli import seven_states
from foss_platform_tests.pipeline.cli.command_line import Foss
from foss_platform_tests.pipeline.cli.seven_states import OTHERS, THINGS, folder, moments, put, two_states

foss = seven_states.foss
catalog = seven_states.catalog
clock = seven_states.clock


@pytest.mark.usefixtures("clock")
def test_history_lists_live_and_pinned_states_newest_first(foss: Foss) -> None:
    code, out, err = foss("history", "gold.things", "--json")
    states = json.loads(out)
    day = "2044-03-01T"
    assert [(s["committed_at"], s["held_until"], s["kind"], s["rows"]) for s in states] == [
        (f"{day}10:50:00+00:00", None, "live", 3),
        (f"{day}10:30:00+00:00", f"{day}10:49:59.999999+00:00", "live", 3),
        (f"{day}09:50:00+00:00", f"{day}10:00:00+00:00", "pinned", 3),
        (f"{day}08:50:00+00:00", f"{day}09:00:00+00:00", "pinned", 3),
    ]
    assert {(s["operation"], s["made_by"]) for s in states} == {("overwrite", "whole"), ("append", "whole")}
    assert (code, "4 states of gold.things can be read" in err) == (0, True)
    code, out, err = foss("history", "gold.things", "--limit", "1")
    assert (code, "now" in out, "2044-03-01 10:50:00.000Z" in out, "10:30" in out) == (0, True, True, False)
    assert "3 not shown (use --limit 0)" in err
    assert len(json.loads(foss("history", "gold.things", "--json", "--limit", "0")[1])) == 4


@pytest.mark.usefixtures("clock")
def test_history_says_which_pinned_state_is_damaged(foss: Foss, settings: Settings) -> None:
    pinned = sorted((folder(settings, THINGS) / "metadata").glob("pinned-20440301T09*"))
    pinned[0].write_text("{")
    states = json.loads(foss("history", "gold.things", "--json")[1])
    assert [state["rows"] for state in states] == [3, 3, 3, None]
    assert states[-1]["made_by"].startswith("gold.things: ")


@pytest.mark.usefixtures("clock")
def test_diff_by_key_between_pinned_and_live_states(foss: Foss, tmp_path: Path) -> None:
    words = ("diff", "gold.things", "--from", "2044-03-01T09:00:00Z", "--to", "2044-03-01T10:45:00Z")
    code, out, err = foss(*words, "--format", "json")
    assert code == 0
    assert json.loads(out) == [
        {"change": "added", "id": 6, "value": "x"},
        {"change": "added", "id": 7, "value": "x"},
        {"change": "changed_from", "id": 0, "value": "1"},
        {"change": "changed_to", "id": 0, "value": "6"},
        {"change": "removed", "id": 1, "value": "x"},
        {"change": "removed", "id": 2, "value": "x"},
    ]
    assert "from the state committed at 2044-03-01 08:50:00.000Z (pinned)" in err
    assert "to the state committed at 2044-03-01 10:30:00.000Z (live)" in err
    assert "2 rows added, 2 removed, 1 changed" in err
    code, out, _ = foss(*words)
    assert (code, "value: 1 → 6" in out) == (0, True)
    assert foss(*words, "-f", "csv")[1].splitlines()[:2] == ['"change","id","value"', '"added",6,"x"']
    target = tmp_path / "differences.parquet"
    assert foss(*words, "-f", "parquet", "-o", str(target))[0] == 0
    assert pq.read_table(target).num_rows == 6


@pytest.mark.usefixtures("clock")
def test_diff_shows_twenty_rows_of_a_kind_at_most(foss: Foss, catalog: Catalog) -> None:
    put(catalog, THINGS, *((number, "y") for number in range(100, 150)))
    code, out, err = foss("diff", "gold.things", "--from", "2044-03-01T10:00:00Z")
    assert (code, "added: the first 20 of 50, by key" in out, " 119 " in out, " 120 " in out) == (0, True, True, False)
    assert "50 rows added, 3 removed, 0 changed" in err


def test_diff_without_a_key_counts_whole_rows(foss: Foss, catalog: Catalog) -> None:
    first, _ = two_states(catalog, [(1, "a"), (1, "a"), (2, "b")], [(1, "a"), (2, "b"), (2, "b"), (3, "c")])
    code, out, err = foss("diff", "silver.others", "--from", first, "--format", "json")
    assert code == 0
    assert [(row["change"], row["id"]) for row in json.loads(out)] == [("added", 2), ("added", 3), ("removed", 1)]
    assert "whole rows are compared, because the table has no key" in err
    assert err.splitlines()[-1] == "2 rows added, 1 removed"


def test_diff_by_a_key_that_repeats_counts_whole_rows(foss: Foss, catalog: Catalog) -> None:
    first, _ = two_states(catalog, [(1, "a"), (1, "b")], [(1, "a"), (1, "b"), (1, "c")], key=("id",))
    code, _, err = foss("diff", "silver.others", "--from", first)
    assert (code, "the key (id) repeats" in err, "1 rows added, 0 removed" in err) == (0, True, True)


def test_diff_of_markup_and_nulls(foss: Foss, catalog: Catalog) -> None:
    first, _ = two_states(catalog, [(1, "[red]"), (2, "b")], [(1, "[/]"), (3, "[bold]")], key=("id",))
    code, out, _ = foss("diff", "silver.others", "--from", first)
    assert (code, "value: [red] → [/]" in out, "[bold]" in out) == (0, True, True)


def test_diff_lists_columns_that_exist_on_one_side_only(foss: Foss, catalog: Catalog) -> None:
    two_states(catalog, [(1, "a")], key=("id",))
    with load_table(catalog, OTHERS).update_schema(allow_incompatible_changes=True) as update:
        update.union_by_name(pa.schema([("extra", pa.string())]))
        update.delete_column("value")
    row = pa.table({"id": [1], "extra": ["e"]})
    commit(catalog, OTHERS, lambda _: Change(row, EVERY_ROW))
    first, _ = moments(catalog, OTHERS)
    code, out, err = foss("diff", "silver.others", "--from", first)
    assert (code, out) == (0, "")
    assert "columns only at --from, not compared: value" in err
    assert "columns only at --to, not compared: extra" in err
    assert "0 rows added, 0 removed, 0 changed" in err


def test_diff_ignores_compaction_and_commit_numbers(foss: Foss, catalog: Catalog) -> None:
    schema = pa.schema([("id", pa.int64()), ("_sequence_number", pa.int64())])
    name = TableName("bronze", "events")
    ensure_table(catalog, TableSpec(name, schema, key=("id",)))
    rows = [pa.table({"id": [number], "_sequence_number": [number]}, schema=schema) for number in (1, 2)]
    commit(catalog, name, lambda _: Change(rows[0]))
    commit(catalog, name, lambda _: Change(rows[1]))
    assert compact(catalog, name, everything=True).files_before == 2
    again = pa.table({"id": [1, 2], "_sequence_number": [7, 7]}, schema=schema)
    commit(catalog, name, lambda _: Change(again, EVERY_ROW))
    for moment in moments(catalog, name)[1:]:
        code, out, err = foss("diff", "bronze.events", "--from", moment)
        assert (code, out, "0 rows added, 0 removed, 0 changed" in err) == (0, "", True)
