"""Printed times, table names, durations and sizes are accepted as arguments of other commands."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from foss_platform.cli.explore.status import _age
from foss_platform.cli.shared.durations import parse_duration
from foss_platform.cli.shared.lake_tables import size_text
from foss_platform.errors import ConfigurationError
from foss_platform.lake.query.calendar import interval_text
from foss_platform.lake.table.moments import parse_moment
from foss_platform.settings import load_settings
from foss_platform_tests.pipeline.cli.command_line import Foss
from foss_platform_tests.pipeline.cli.test_commands import PIPELINE
from foss_platform_tests.pipeline.cli.test_commands import foss as _foss
from foss_platform_tests.pipeline.cli.test_commands import recording as _recording

foss, recording = _foss, _recording

# every format in which a command or an export writes a time
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00)|\bnow\b")


def test_every_printed_time_is_accepted(foss: Foss, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOSS_FEED", "recorded")
    assert foss("replay", PIPELINE, str(recording))[0] == 0
    assert foss("rebuild")[0] == 0
    table = "silver.parking_readings"
    printing = [
        ("history", table),
        ("history", table, "--json"),
        ("sql", "select 1 from silver.parking_readings limit 1", "--at", "now"),
        ("rollback", table, "--to", "now", "--dry-run"),
        *(("sql", f"select timestamptz '{m}' as m", "-f", f) for f in ("table", "csv", "json")
          for m in (json.loads(foss("history", table, "--json")[1])[0]["committed_at"],)),
    ]  # fmt: skip
    for words in printing:
        code, out, err = foss(*words)
        assert code == 0, err
        moments = _MOMENT.findall(out + err)
        assert moments, words
        for moment in dict.fromkeys(moments):
            for taking in (
                ("sql", f"select count(*) from {table}", "--at", moment),
                ("diff", table, "--from", moment),
                ("rollback", table, "--to", moment, "--dry-run"),
            ):
                code, _, err = foss(*taking)
                assert (code, "error" in err) == (0, False), (words, taking, err)
    code, out, err = foss("tables", "--quick")
    (line,) = [line for line in (out + err).splitlines() if line.strip().startswith(table)]
    assert foss("sql", f"select 1 from {table}", "--at", _MOMENT.findall(line)[0])[0] == 0
    for command in ("status", ("quarantine", "list", PIPELINE), ("quarantine", "show", PIPELINE)):
        code, out, _ = foss(*([command] if isinstance(command, str) else command))
        for moment in _MOMENT.findall(out):
            code, _, err = foss("quarantine", "list", PIPELINE, "--since", moment)
            assert (code, "error" in err) == (0, False), err


def test_every_printed_table_name_is_accepted(foss: Foss, recording: Path) -> None:
    code, _, _ = foss("replay", PIPELINE, str(recording))
    assert code == 0
    for name in ("silver.parking_readings", "silver/parking_readings"):
        assert foss("history", name)[0] == 0
        assert foss("cleanup", "--table", name, "--dry-run")[0] == 0
    assert foss("history", "silver/nothing")[0] == 2


def test_durations_as_they_are_printed() -> None:
    for age in (timedelta(minutes=35), timedelta(hours=7), timedelta(days=1234)):
        assert parse_duration(_age(age)) == age
        assert (
            parse_moment(f"{_age(age)} ago", datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2026, 1, 1, tzinfo=UTC) - age
        )
    for length in (timedelta(days=1, hours=2), timedelta(seconds=0.5), timedelta(weeks=3)):
        nanoseconds = round((length - timedelta(days=length.days)).total_seconds() * 10**9)
        assert parse_duration(interval_text(0, length.days, nanoseconds)) == length
    for wrong in ("P", "PT", "P1Y", "-P1D", "P1D2H", "P99999999999D", "1,2 days"):
        with pytest.raises(ConfigurationError):
            parse_duration(wrong)


@pytest.mark.parametrize("size", [512, 4_000_000_000, 1_234_567])
def test_sizes_as_they_are_printed(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOSS_DUCKDB_MEMORY_LIMIT", size_text(size))
    assert load_settings().duckdb_memory_limit == size_text(size)
