"""Looking back and cleaning up as users type it: history, diff, tables, cleanup and rollback over a real lake."""

import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import time_machine
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.cli.lake_tables import complete_table
from foss_platform.lake.catalog import open_catalog
from foss_platform.lake.commit import Change, commit
from foss_platform.lake.compaction import compact
from foss_platform.lake.data_files import EVERY_ROW
from foss_platform.lake.health import table_health
from foss_platform.lake.names import TableName
from foss_platform.lake.points import live_points
from foss_platform.lake.policy import TablePolicy
from foss_platform.lake.tables import TableSpec, ensure_table, load_table
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.command_line import Foss, foss_in
from foss_platform_tests.tables import read

THINGS, OTHERS = TableName("gold", "things"), TableName("silver", "others")
COLUMNS: list[tuple[str, pa.DataType]] = [("id", pa.int64()), ("value", pa.string())]
SCHEMA = pa.schema(COLUMNS)
# ahead of the files' own times, which are the machine's
START = datetime(2044, 3, 1, 8, 50, tzinfo=UTC)
PIPELINE = "stavanger_parking"


@pytest.fixture
def foss(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], settings: Settings) -> Foss:
    """Call `foss` with these words, in this process; gives exit code, output and messages."""
    return foss_in(settings.home, monkeypatch, capfd)


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    return open_catalog(settings)


@pytest.fixture
def clock(catalog: Catalog) -> Iterator[time_machine.Traveller]:
    """A lake of which seven states of `gold.things` came, 20 minutes apart; it is then 10:50.

    State n holds the ids 0, n and n + 1, and the value of id 0 is n. Of the states the last two are live, and
    those of 9:00 and 10:00 pinned.
    """
    ensure_table(catalog, TableSpec(THINGS, SCHEMA, key=("id",), policy=TablePolicy(keep_commits=2)))
    with time_machine.travel(START, tick=False) as clock:
        for number in range(1, 8):
            put(catalog, THINGS, (0, str(number)), (number, "x"), (number + 1, "x"))
            clock.shift(timedelta(minutes=20))
        clock.shift(timedelta(minutes=-20))
        yield clock


def put(catalog: Catalog, name: TableName, *rows: tuple[int, str]) -> Table:
    """Let the table hold these rows alone."""
    arrow = pa.Table.from_pylist([{"id": number, "value": value} for number, value in rows], schema=SCHEMA)
    return commit(catalog, name, lambda _: Change(arrow, EVERY_ROW, summary={"foss.build": "whole"}))


def two_states(catalog: Catalog, *states: list[tuple[int, str]], key: tuple[str, ...] = ()) -> list[str]:
    """A table `silver.others` with these states; gives their moments as `--from` takes them."""
    ensure_table(catalog, TableSpec(OTHERS, SCHEMA, key=key))
    for rows in states:
        put(catalog, OTHERS, *rows)
    return moments(catalog, OTHERS)


def moments(catalog: Catalog, name: TableName) -> list[str]:
    return [point.committed_at.isoformat() for point in live_points(load_table(catalog, name))]


def folder(settings: Settings, name: TableName) -> Path:
    return settings.home / "warehouse" / name.namespace / name.name


def orphan(settings: Settings, name: TableName) -> Path:
    """A file as a writer leaves it that was killed before its commit."""
    file = folder(settings, name) / "data" / "orphan.parquet"
    file.write_bytes(b"x" * 1234)
    return file


def damage(catalog: Catalog, name: TableName) -> None:
    """Cut off a manifest of the current state."""
    table = load_table(catalog, name)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    Path(snapshot.manifests(table.io)[0].manifest_path.removeprefix("file://")).write_bytes(b"nothing")


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let a terminal be standard input, at which somebody types `text`."""
    master, terminal = os.openpty()
    os.write(master, text.encode())
    monkeypatch.setattr(sys, "stdin", os.fdopen(terminal, "r"))


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
    assert "3 of them not shown: use --limit 0" in err
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
    assert "whole rows are compared, since the table has no key" in err
    assert err.splitlines()[-1] == "2 rows added, 1 removed"


def test_diff_by_a_key_that_repeats_counts_whole_rows(foss: Foss, catalog: Catalog) -> None:
    first, _ = two_states(catalog, [(1, "a"), (1, "b")], [(1, "a"), (1, "b"), (1, "c")], key=("id",))
    code, _, err = foss("diff", "silver.others", "--from", first)
    assert (code, "the key (id) repeats" in err, "1 rows added, 0 removed" in err) == (0, True, True)


def test_diff_of_markup_and_nulls(foss: Foss, catalog: Catalog) -> None:
    first, _ = two_states(catalog, [(1, "[red]"), (2, "b")], [(1, "[/]"), (3, "[bold]")], key=("id",))
    code, out, _ = foss("diff", "silver.others", "--from", first)
    assert (code, "value: [red] → [/]" in out, "[bold]" in out) == (0, True, True)


def test_diff_names_columns_of_one_side(foss: Foss, catalog: Catalog) -> None:
    two_states(catalog, [(1, "a")], key=("id",))
    with load_table(catalog, OTHERS).update_schema(allow_incompatible_changes=True) as update:
        update.union_by_name(pa.schema([("extra", pa.string())]))
        update.delete_column("value")
    row = pa.table({"id": [1], "extra": ["e"]})
    commit(catalog, OTHERS, lambda _: Change(row, EVERY_ROW))
    first, _ = moments(catalog, OTHERS)
    code, out, err = foss("diff", "silver.others", "--from", first)
    assert (code, out) == (0, "")
    assert "only at --from, and not compared: value" in err
    assert "only at --to, and not compared: extra" in err
    assert "0 rows added, 0 removed, 0 changed" in err


def test_neither_compaction_nor_the_commit_that_brought_a_row_is_a_difference(foss: Foss, catalog: Catalog) -> None:
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


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("history", "gold.thing"), 2, "There is no table gold.thing. Did you mean gold.things?"),
        (("history", "things"), 2, "Did you mean gold.things?"),
        (("diff", "zzz", "--from", "1 hour ago"), 2, "There is no table zzz. The lake holds: gold.things."),
        (("diff", "gold.things", "--from", "yesterday"), 2, "is no moment"),
        (("diff", "gold.things", "--from", "1 hour ago", "--to", "2 hours ago"), 2, "lies after --to"),
        (("diff", "gold.things", "--from", "2044-03-01T09:30:00Z"), 1, "no longer kept as it was"),
        (("diff", "gold.things", "--from", "2044-03-01T09:30:00Z"), 1, "2044-03-01T09:00:00+00:00"),
        (("diff", "gold.things", "--from", "2044-03-01T09:30:00Z"), 1, "2044-03-01T09:50:00+00:00"),
        (("cleanup", "--table", "gold.nothing"), 2, "There is no table gold.nothing."),
        (("cleanup", "--older-than", "soon"), 2, "'soon' is no duration."),
        (("cleanup", "--older-than", "6"), 2, "'6' is no duration."),
        (("cleanup", "--older-than", "-6h"), 2, "'-6h' is no duration."),
        (("cleanup", "--older-than", "7 parsecs"), 2, "is no duration."),
        (("cleanup", "--older-than", "99999999999999 days"), 2, "is no duration."),
        (("cleanup", "--older-than", "30m"), 2, "standard input is no terminal"),
        (("rollback", "gold.things", "--to", "2044-03-01T09:30:00Z"), 1, "no longer kept as it was"),
        (("rollback", "gold.things", "--to", "2044-03-01T09:00:00Z"), 2, "standard input is no terminal"),
    ],
)
def test_what_is_wrong_is_one_clear_error(foss: Foss, words: tuple[str, ...], code: int, says: str) -> None:
    ended, out, err = foss(*words)
    assert ended == code
    assert says in " ".join((out + err).split())


def test_tables_tells_each_ones_size_history_and_what_is_reclaimable(
    foss: Foss, catalog: Catalog, settings: Settings, clock: time_machine.Traveller
) -> None:
    size = sum(file.stat().st_size for file in folder(settings, THINGS).rglob("*") if file.is_file())
    code, out, _ = foss("tables", "--json")
    (line,) = json.loads(out)
    health = table_health(load_table(catalog, THINGS))
    assert (code, line["table"], line["rows"], line["live_snapshots"]) == (0, "gold.things", 3, 2)
    assert line["oldest_readable"] == "2044-03-01T08:50:00+00:00"
    assert (line["live_bytes"], line["small_files"]) == (health.data_bytes, 1)
    assert 0 < line["reclaimable_bytes"] < size
    orphan(settings, THINGS)
    (more,) = json.loads(foss("tables", "--json")[1])
    assert more["reclaimable_bytes"] == line["reclaimable_bytes"] + 1234
    (quick,) = json.loads(foss("tables", "--quick", "--json")[1])
    assert quick == {**line, "reclaimable_bytes": None}
    code, out, _ = foss("tables")
    assert (code, "gold.things" in out, "2044-03-01 08:50Z" in out, "reclaimable" in out) == (0, True, True, True)
    assert "reclaimable" not in foss("tables", "--quick")[1]


def test_on_a_narrow_terminal_no_cell_is_folded(
    foss: Foss, settings: Settings, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan(settings, THINGS)
    for words, says in (
        (("tables",), ["rows 3", "readable from 2044-03-01 08:50Z", "needs none"]),
        (("tables", "--quick"), ["rows 3", "readable from 2044-03-01 08:50Z"]),
        (("cleanup", "--table", "gold.things"), ["points 0", "until 2044-03-01 16:50Z"]),
    ):
        monkeypatch.setenv("COLUMNS", "80")
        heading, *narrow = foss(*words)[1].splitlines()
        assert heading == "gold.things"
        assert all(line.startswith("  ") and len(line) <= 80 for line in narrow)
        parts = " · ".join(line.strip() for line in narrow).split(" · ")
        assert [part for part in says if part not in parts] == []
        monkeypatch.setenv("COLUMNS", "200")
        assert [says[1].split()[-1] in line for line in foss(*words)[1].splitlines()] == [False, False, True]


def test_cleanup_removes_what_two_looks_found_unreferenced(
    foss: Foss, settings: Settings, clock: time_machine.Traveller
) -> None:
    file, before = orphan(settings, THINGS), read(settings, "gold.things")
    code, out, _ = foss("cleanup")
    assert (code, file.exists()) == (0, True)
    assert "2044-03-01 16:50Z" in out
    clock.shift(timedelta(hours=5))
    assert (foss("cleanup")[0], file.exists()) == (0, True)
    clock.shift(timedelta(hours=1))
    code, out, _ = foss("cleanup", "--dry-run")
    assert (code, f"1.2 kB  {file}" in out, file.exists()) == (0, True, True)
    code, _, err = foss("cleanup", "--table", "gold.things")
    assert (code, file.exists()) == (0, False)
    assert "files removed" in err
    assert read(settings, "gold.things") == before
    assert json.loads(foss("tables", "--json")[1])[0]["reclaimable_bytes"] == 0


@pytest.mark.usefixtures("clock")
def test_the_dry_run_lists_just_what_then_goes(foss: Foss, settings: Settings) -> None:
    def files() -> set[str]:
        return {str(file) for file in folder(settings, THINGS).rglob("*") if file.is_file()}

    before = files()
    code, out, _ = foss("cleanup", "--older-than", "0", "--dry-run")
    listed = {line.split("  ")[-1] for line in out.splitlines() if str(settings.home) in line}
    assert (code, files()) == (0, before)
    code, _, err = foss("cleanup", "--older-than", "0", "--yes")
    assert (code, "readers and writers that run now" in err) == (0, True)
    assert before - files() == listed != set()


def test_cleanup_lets_go_of_points_that_no_promise_needs(
    foss: Foss, settings: Settings, clock: time_machine.Traveller
) -> None:
    clock.shift(timedelta(days=3))
    # what nothing needs is spared from when that is first seen
    assert foss("cleanup", "--table", "gold.things")[0] == 0
    clock.shift(timedelta(hours=7))
    code, out, _ = foss("cleanup", "--table", "gold.things")
    assert code == 0
    kept = json.loads(foss("history", "gold.things", "--json")[1])
    assert [state["kind"] for state in kept] == ["live", "live"]
    assert [cell.strip() for cell in out.splitlines()[2].split("│")[:3]] == ["gold.things", "", "2"]


@pytest.mark.usefixtures("clock")
def test_less_than_an_hour_is_asked_for(
    foss: Foss, settings: Settings, monkeypatch: pytest.MonkeyPatch, catalog: Catalog
) -> None:
    file = orphan(settings, THINGS)
    answer(monkeypatch, "n\n")
    assert (foss("cleanup", "--older-than", "0")[0], file.exists()) == (1, True)
    answer(monkeypatch, "y\n")
    assert (foss("cleanup", "--older-than", "0")[0], file.exists()) == (0, False)


@pytest.mark.usefixtures("clock")
def test_one_table_that_fails_does_not_stop_the_others(foss: Foss, catalog: Catalog, settings: Settings) -> None:
    two_states(catalog, [(1, "a")])
    file = orphan(settings, OTHERS)
    damage(catalog, THINGS)
    for words in (("cleanup", "--older-than", "0", "--yes"), ("tables",), ("tables", "--quick")):
        code, out, err = foss(*words)
        lines = [line for line in err.splitlines() if line.startswith("error:")]
        assert (code, len(lines), "gold.things" in lines[0]) == (1, 1, True)
        assert ("silver.others" in out, "gold.things" in out) == (True, False)
    assert not file.exists()


def test_before_bronze_is_cared_for_the_poll_log_is_healed(
    foss: Foss, settings: Settings, catalog: Catalog, tmp_path: Path
) -> None:
    record = {"Dato": "24.10.2020", "Klokkeslett": "12:00", "Sted": "Forum", "Latitude": "58.9", "Longitude": "5.7"}
    poll = {"polled_at": "2020-10-24T10:01:00Z", "body": [{**record, "Antall_ledige_plasser": "100"}]}
    recording = tmp_path / "polls.jsonl"
    recording.write_text(json.dumps(poll))
    assert foss("replay", PIPELINE, str(recording), "--bronze-only")[0] == 0
    logged = read(settings, "ops.polls")
    assert len(logged) == 1
    # as after a crash between the commits of bronze and log
    catalog.drop_table("ops.polls")
    assert foss("replay", PIPELINE, str(recording), "--bronze-only")[0] == 0
    before = read(settings, "ops.polls")
    assert foss("cleanup", "--table", f"bronze.{PIPELINE}", "--dry-run")[0] == 0
    assert read(settings, "ops.polls") == before
    assert foss("cleanup", "--table", f"bronze.{PIPELINE}")[0] == 0
    assert read(settings, "ops.polls") == logged


@pytest.mark.usefixtures("clock")
def test_rollback_shows_asks_and_goes_back(
    foss: Foss, settings: Settings, monkeypatch: pytest.MonkeyPatch, catalog: Catalog
) -> None:
    now = read(settings, "gold.things")
    words = ("rollback", "gold.things", "--to", "2044-03-01T09:00:00Z")
    code, out, err = foss(*words, "--dry-run")
    assert (code, "3 → 3" in out, "2 come back, 2 go, 1 change" in out) == (0, True, True)
    assert "to the state committed at 2044-03-01 08:50:00.000Z (pinned" in err
    answer(monkeypatch, "n\n")
    assert foss(*words)[0] == 1
    assert read(settings, "gold.things") == now
    code, out, _ = foss(*words, "--yes")
    assert (code, "gold.things stands as at 2044-03-01 08:50:00.000Z" in out) == (0, True)
    assert [row["id"] for row in read(settings, "gold.things")] == [0, 1, 2]
    made_by: Any = json.loads(foss("history", "gold.things", "--json")[1])[0]["made_by"]
    assert made_by.startswith("rollback to ")


def test_bronze_is_evidence(foss: Foss, catalog: Catalog) -> None:
    name = TableName("bronze", "things")
    ensure_table(catalog, TableSpec(name, SCHEMA))
    put(catalog, name, (1, "a"))
    code, _, err = foss("rollback", "bronze.things", "--to", datetime.now(UTC).isoformat(), "--yes")
    assert (code, "bronze.things is not rolled back: it is evidence" in err) == (1, True)


def test_completion_offers_tables_and_swallows_what_is_wrong(foss: Foss, catalog: Catalog) -> None:
    ensure_table(catalog, TableSpec(THINGS, SCHEMA))
    assert complete_table("go") == ["gold.things"]
    assert complete_table("silver") == []


def test_completion_without_a_lake_offers_nothing() -> None:
    assert complete_table("") == []


def test_a_lake_that_is_not_there(foss: Foss) -> None:
    for words in (("tables",), ("history", "gold.things"), ("cleanup",)):
        code, _, err = foss(*words)
        assert (code, "There is no lake at" in err) == (2, True)


def test_every_verb_explains_itself(foss: Foss) -> None:
    out = foss("--help")[1]
    assert [verb for verb in ("history", "diff", "tables", "cleanup", "rollback") if verb not in out] == []
