"""`foss tables`, `foss cleanup` and `foss rollback` on a real lake."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from pyiceberg.catalog import Catalog

from foss_platform.cli.shared.lake_tables import complete_table
from foss_platform.lake.connect.sql_catalog import TransactionalSqlCatalog
from foss_platform.lake.maintenance.health import table_health
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_table
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.cli import seven_states
from foss_platform_tests.pipeline.cli.command_line import Foss
from foss_platform_tests.pipeline.cli.seven_states import (
    OTHERS,
    SCHEMA,
    THINGS,
    answer,
    damage,
    folder,
    orphan,
    put,
    two_states,
)
from foss_platform_tests.tables import read

PIPELINE = "stavanger_parking"

foss = seven_states.foss
catalog = seven_states.catalog
clock = seven_states.clock


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("history", "gold.thing"), 2, "There is no table gold.thing. Did you mean gold.things?"),
        (("history", "things"), 2, "Did you mean gold.things?"),
        (("diff", "zzz", "--from", "1 hour ago"), 2, "There is no table zzz. Known tables: gold.things."),
        (("diff", "gold.things", "--from", "yesterday"), 2, "is not a moment"),
        (("diff", "gold.things", "--from", "1 hour ago", "--to", "2 hours ago"), 2, "is later than --to"),
        (("diff", "gold.things", "--from", "2044-03-01T09:30:00Z"), 1, "is no longer retained"),
        (("diff", "gold.things", "--from", "2044-03-01T09:30:00Z"), 1, "2044-03-01T09:00:00+00:00"),
        (("diff", "gold.things", "--from", "2044-03-01T09:30:00Z"), 1, "2044-03-01T09:50:00+00:00"),
        (("cleanup", "--table", "gold.nothing"), 2, "There is no table gold.nothing."),
        (("cleanup", "--older-than", "soon"), 2, "'soon' is not a duration."),
        (("cleanup", "--older-than", "6"), 2, "'6' is not a duration."),
        (("cleanup", "--older-than", "-6h"), 2, "'-6h' is not a duration."),
        (("cleanup", "--older-than", "7 parsecs"), 2, "is not a duration."),
        (("cleanup", "--older-than", "99999999999999 days"), 2, "is not a duration."),
        (("cleanup", "--older-than", "30m"), 2, "standard input is not a terminal"),
        (("rollback", "gold.things", "--to", "2044-03-01T09:30:00Z"), 1, "is no longer retained"),
        (("rollback", "gold.things", "--to", "2044-03-01T09:00:00Z"), 2, "standard input is not a terminal"),
    ],
)
def test_wrong_arguments_give_one_clear_error(foss: Foss, words: tuple[str, ...], code: int, says: str) -> None:
    ended, out, err = foss(*words)
    assert ended == code
    assert says in " ".join((out + err).split())


def test_tables_reports_size_history_and_reclaimable_space(
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
    gone = "its model or page is gone: keep the table, or `foss drop` it"
    for words, says in (
        (("tables",), ["rows 3", "readable from 2044-03-01 08:50Z", f"needs {gone}"]),
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


def test_cleanup_deletes_files_found_unreferenced_twice(
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
    assert "files deleted" in err
    assert read(settings, "gold.things") == before
    assert json.loads(foss("tables", "--json")[1])[0]["reclaimable_bytes"] == 0


@pytest.mark.usefixtures("clock")
def test_dry_run_lists_exactly_the_deleted_files(foss: Foss, settings: Settings) -> None:
    def files() -> set[str]:
        return {str(file) for file in folder(settings, THINGS).rglob("*") if file.is_file()}

    before = files()
    code, out, _ = foss("cleanup", "--older-than", "0", "--dry-run")
    listed = {line.split("  ")[-1] for line in out.splitlines() if str(settings.home) in line}
    assert (code, files()) == (0, before)
    code, _, err = foss("cleanup", "--older-than", "0", "--yes")
    assert (code, "running readers and writers" in err) == (0, True)
    assert before - files() == listed != set()


def test_cleanup_expires_states_outside_the_retention_policy(
    foss: Foss, settings: Settings, clock: time_machine.Traveller
) -> None:
    clock.shift(timedelta(days=3))
    # an unreferenced file is retained from the time it was first found unreferenced
    assert foss("cleanup", "--table", "gold.things")[0] == 0
    clock.shift(timedelta(hours=7))
    code, out, _ = foss("cleanup", "--table", "gold.things")
    assert code == 0
    kept = json.loads(foss("history", "gold.things", "--json")[1])
    assert [state["kind"] for state in kept] == ["live", "live"]
    assert [cell.strip() for cell in out.splitlines()[2].split("│")[:3]] == ["gold.things", "", "2"]


@pytest.mark.usefixtures("clock")
def test_retention_under_an_hour_needs_confirmation(
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


def test_poll_log_is_repaired_before_bronze_is_maintained(
    foss: Foss, settings: Settings, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as a REST catalog
    monkeypatch.setattr(TransactionalSqlCatalog, "commits_together", False)
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
def test_rollback_shows_the_plan_asks_and_rolls_back(
    foss: Foss, settings: Settings, monkeypatch: pytest.MonkeyPatch, catalog: Catalog
) -> None:
    now = read(settings, "gold.things")
    words = ("rollback", "gold.things", "--to", "2044-03-01T09:00:00Z")
    code, out, err = foss(*words, "--dry-run")
    assert (code, "3 → 3" in out, "2 added, 2 removed, 1 changed" in out) == (0, True, True)
    assert "to the state committed at 2044-03-01 08:50:00.000Z (pinned" in err
    answer(monkeypatch, "n\n")
    assert foss(*words)[0] == 1
    assert read(settings, "gold.things") == now
    code, out, _ = foss(*words, "--yes")
    assert (code, "gold.things was rolled back to its state at 2044-03-01 08:50:00.000Z" in out) == (0, True)
    assert [row["id"] for row in read(settings, "gold.things")] == [0, 1, 2]
    made_by: Any = json.loads(foss("history", "gold.things", "--json")[1])[0]["made_by"]
    assert made_by.startswith("rollback to ")


def test_bronze_cannot_be_rolled_back(foss: Foss, catalog: Catalog) -> None:
    name = TableName("bronze", "things")
    ensure_table(catalog, TableSpec(name, SCHEMA))
    put(catalog, name, (1, "a"))
    code, _, err = foss("rollback", "bronze.things", "--to", datetime.now(UTC).isoformat(), "--yes")
    assert (code, "bronze.things cannot be rolled back: it is source data" in err) == (1, True)


def test_completion_offers_tables_and_hides_errors(foss: Foss, catalog: Catalog) -> None:
    ensure_table(catalog, TableSpec(THINGS, SCHEMA))
    assert complete_table("go") == ["gold.things"]
    assert complete_table("silver") == []


def test_completion_without_a_lake_offers_nothing() -> None:
    assert complete_table("") == []


def test_commands_without_a_lake(foss: Foss) -> None:
    for words in (("tables",), ("history", "gold.things"), ("cleanup",)):
        code, _, err = foss(*words)
        assert (code, "There is no lake at" in err) == (2, True)


def test_every_command_has_help(foss: Foss) -> None:
    out = foss("--help")[1]
    assert [verb for verb in ("history", "diff", "tables", "cleanup", "rollback") if verb not in out] == []
