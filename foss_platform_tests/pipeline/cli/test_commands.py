"""The `foss` command line: output, exit codes and errors without tracebacks."""

import gzip
import json
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from foss_platform.settings import Settings
from foss_platform_tests.pipeline.cli.command_line import Foss, foss_in
from foss_platform_tests.repository import PROJECT_ROOT
from foss_platform_tests.tables import read

PIPELINE = "stavanger_parking"


@pytest.fixture
def foss(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], parsed_settings: Settings) -> Foss:
    """Call `foss` with these arguments in this process on a new home. Returns exit code, output and messages."""
    return foss_in(parsed_settings.home, monkeypatch, capfd)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Return three polls. The second has a record without a site."""
    polls = []
    for minute in (0, 4, 8):
        records = [
            {
                "Dato": "24.10.2020",
                "Klokkeslett": f"12:{minute:02}",
                "Sted": site,
                "Latitude": "58.9",
                "Longitude": "5.7",
                "Antall_ledige_plasser": str(100 + minute),
            }
            for site in ("Forum", "Posten")
        ]
        if minute == 4:
            del records[1]["Sted"]
        polls.append({"polled_at": f"2020-10-24T10:{minute + 1:02}:00Z", "body": records})
    path = tmp_path / "polls.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, polls)).encode()))
    return path


def test_replay_then_ask_then_replay_again(foss: Foss, recording: Path, settings: Settings, tmp_path: Path) -> None:
    code, out, _ = foss("replay", PIPELINE, str(recording))
    assert code == 0
    assert "3 polls: 3 new with 5 rows, 0 already loaded" in out
    assert "1 records rejected" in out
    before = {name: read(settings, name) for name in ("bronze.stavanger_parking", "silver.parking_readings")}
    code, out, _ = foss("replay", PIPELINE, str(recording), "--bronze-only")
    assert (code, "0 new with 0 rows, 3 already loaded" in out) == (0, True)
    assert {name: read(settings, name) for name in before} == before

    query = "select site, free_spaces from gold.parking_latest order by site"
    assert json.loads(foss("sql", query, "--format", "json")[1]) == [
        {"site": "Forum", "free_spaces": 108},
        {"site": "Posten", "free_spaces": 108},
    ]
    assert foss("sql", query, "-f", "csv")[1].splitlines() == ['"site","free_spaces"', '"Forum",108', '"Posten",108']
    target = tmp_path / "latest.parquet"
    assert foss("sql", query, "-f", "parquet", "-o", str(target))[0] == 0
    assert pq.read_table(target).num_rows == 2
    assert "Posten" in foss("sql", query)[1]

    code, out, _ = foss("status")
    assert code == 0
    assert "2020-10-24 10:09:00Z" in out

    code, out, _ = foss("quarantine", "list", PIPELINE)
    assert (code, "Sted is missing" in out, "waiting" in out) == (0, True, True)
    assert '"Klokkeslett":"12:04"' in foss("quarantine", "show", PIPELINE)[1]
    code, out, _ = foss("quarantine", "replay", PIPELINE, "--dry-run")
    assert (code, "1 still rejected: Sted is missing" in out) == (0, True)

    code, _, err = foss("sql", "select count(*) from silver.parking_readings", "--at", "1 hour ago")
    assert code == 1
    assert "silver.parking_readings held no rows yet" in err
    assert "The oldest readable moment is" in err


def test_the_commands_of_the_readme_work_as_typed(foss: Foss, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    then = (PROJECT_ROOT / "README.md").read_text().partition("## Next steps")[2].partition("\n## ")[0]
    typed = [shlex.split(line, comments=True)[1:] for line in then.splitlines() if line.startswith("$ ")]
    # `foss demo` creates its lake in the folder `demo` of the home
    assert ["export", "FOSS_HOME=.foss/demo", "FOSS_FEED=recorded"] in typed
    (replayed,) = [words[-1] for words in typed if "replay" in words]
    assert (PROJECT_ROOT / replayed).exists()
    called = [words[1:] for words in typed[: typed.index(["unset", "FOSS_HOME", "FOSS_FEED"])] if words[0] == "foss"]
    assert [words[0] for words in called] == ["status", "tables", "sql", "sql", "history", "quarantine"]

    monkeypatch.setenv("FOSS_FEED", "recorded")
    assert foss("replay", PIPELINE, str(recording))[0] == 0
    (state,) = json.loads(foss("history", "silver.parking_readings", "--json")[1])
    # one command queries the state of one second ago
    time.sleep(max(0.0, 1 - (datetime.now(UTC) - datetime.fromisoformat(state["committed_at"])).total_seconds()))
    for words in called:
        code, out, err = foss(*words)
        assert (code, "error" in err) == (0, False), (words, err)
        assert out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("run", "nothing"), 2, "There is no pipeline 'nothing'. Known pipelines: "),
        (("status",), 2, "There is no lake at"),
        (("sql", "select 1"), 2, "There is no lake at"),
        (("replay", PIPELINE, "missing.jsonl"), 2, "missing.jsonl"),
        (("feed", "missing.jsonl"), 2, "missing.jsonl"),
        (("quarantine", "list", "nothing"), 2, "There is no lake at"),
        (("nonsense",), 2, "No such command"),
    ],
)
def test_wrong_arguments_give_one_clear_error(foss: Foss, words: tuple[str, ...], code: int, says: str) -> None:
    ended, out, err = foss(*words)
    assert ended == code
    assert says in (out + err).replace("\n", " ")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (
            "select * from bronze.stavanger_parkin",
            "The table bronze.stavanger_parkin does not exist. Did you mean bronze.stavanger_parking?",
        ),
        ("select * from stavanger_parking", "Did you mean bronze.stavanger_parking?"),
        ("select nothing from ops.polls", "nothing"),
        ("selec 1", "syntax error"),
        ("select 1; drop table x", "one statement"),
        ("copy (select 1) to 'x.csv'", "SELECT"),
    ],
)
def test_wrong_sql_gives_a_one_line_error(foss: Foss, recording: Path, query: str, says: str) -> None:
    foss("replay", PIPELINE, str(recording), "--bronze-only")
    code, _, err = foss("sql", query)
    assert code == 1
    assert says.lower() in err.lower()
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("moment", ["yesterday", "2026-11-20T08:00:00", "7 parsecs ago", "2999-01-01T00:00:00Z", ""])
def test_invalid_time_is_refused(foss: Foss, recording: Path, moment: str) -> None:
    foss("replay", PIPELINE, str(recording), "--bronze-only")
    code, _, err = foss("sql", "select 1", "--at", moment)
    assert (code, "error:" in err) == (2, True)


def test_all_bad_settings_are_reported_at_once(foss: Foss, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOSS_ENVIRONMENT", "prod")
    monkeypatch.setenv("FOSS_FEED", "dead")
    code, _, err = foss("status")
    assert (code, "FOSS_ENVIRONMENT" in err, "FOSS_FEED" in err) == (2, True, True)


def test_help_and_completion_need_neither_dagster_nor_dbt() -> None:
    script = "import sys, foss_platform.cli.main; print(sorted({'dagster', 'dbt', 'pyiceberg'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_every_command_has_help(foss: Foss) -> None:
    assert "PIPELINE" in foss("run", "--help")[1]
    verbs: Any = ("run", "status", "sql", "replay", "rebuild", "feed", "dev", "demo", "quarantine")
    out = foss("--help")[1]
    assert [verb for verb in verbs if verb not in out] == []
