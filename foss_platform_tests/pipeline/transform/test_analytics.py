"""The questions of docs/ANALYTICS.md on DuckDB: the same answers as plain Python finds in the same tables."""

from pathlib import Path
from typing import Any

import pytest

from foss_platform.cli.shared.pages import find_feed
from foss_platform.cli.shared.recorded import ingest
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.query.query import ask
from foss_platform.settings import Settings
from foss_platform.transform.runner import build
from foss_platform_tests.analytics.by_hand import ANSWERS, TABLES
from foss_platform_tests.analytics.month import make_month
from foss_platform_tests.analytics.questions import QUESTIONS, path_of, query
from foss_platform_tests.pipeline.cli.command_line import foss_in
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import EXCERPT, NODES
from foss_platform_tests.tables import Row, content


@pytest.fixture
def excerpt(parsed_settings: Settings) -> Settings:
    """A lake with the carried excerpt in it."""
    ingest(parsed_settings, find_feed("stavanger_parking"), EXCERPT)
    assert [result for result in build(parsed_settings, NODES) if result.status.is_failure] == []
    return parsed_settings


def answers(settings: Settings) -> dict[str, list[Row]]:
    catalog = open_catalog(settings)
    return {question: ask(settings, catalog, query(question)).reader.read_all().to_pylist() for question in QUESTIONS}


def by_hand(settings: Settings) -> dict[str, list[Row]]:
    tables = content(settings, TABLES)
    return {question: work_out(tables) for question, work_out in ANSWERS.items()}


def compare(found: dict[str, list[Row]], expected: dict[str, list[Row]]) -> None:
    for question in QUESTIONS:
        assert len(found[question]) == len(expected[question]), question
        for row, wanted in zip(found[question], expected[question], strict=True):
            assert row == {name: _about(value) for name, value in wanted.items()}, question


def _about(value: Any) -> Any:
    # a rounding on the edge; statistics.correlation adds more exactly than an engine does
    return pytest.approx(value, rel=1e-6, abs=0.0101) if isinstance(value, float) else value


def test_the_answers_are_those_worked_out_by_hand(
    excerpt: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = answers(excerpt)
    compare(found, by_hand(excerpt))
    assert {question for question, rows in found.items() if not rows} == {"typical_friday"}  # the excerpt has none

    foss = foss_in(excerpt.home, monkeypatch, capfd)
    asked = foss("sql", "-F", str(path_of("busiest_hour")), "-f", "csv")
    assert asked == foss("sql", query("busiest_hour"), "-f", "csv")
    assert len(asked[1].splitlines()) == len(found["busiest_hour"]) + 1
    for words in (("sql",), ("sql", "select 1", "-F", str(path_of("busiest_hour")))):
        code, _, err = foss(*words)
        assert (code, "one of QUERY and --file" in err) == (2, True)
    (tmp_path / "none.sql").write_bytes(b"\xff\xfe")
    assert foss("sql", "-F", str(tmp_path / "none.sql"))[0] == 2
    assert foss("sql", "-F", str(tmp_path / "missing.sql"))[0] == 2


def test_the_answers_on_the_real_month(parsed_settings: Settings, real_recording: Path) -> None:
    month = make_month(parsed_settings, real_recording)
    found = answers(month.settings)
    compare(found, by_hand(month.settings))
    assert all(found.values())
    # what docs/ANALYTICS.md says of it
    full = {row["site"]: (row["days_low"], row["days_full"]) for row in found["time_until_full"]}
    assert (full["Valberget"], full["Jorenholmen"], full["Posten"]) == ((22, 6), (2, 2), (8, 1))
    wrong = {row["site"]: (row["says_full"], row["cannot_be"]) for row in found["false_full"]}
    assert (wrong["Jernbanen"], wrong["Posten"], wrong["Valberget"]) == ((28, 28), (29, 28), (171, 29))
    assert {row["minutes_frozen"] for row in found["frozen_feed"]} == {316.0}
    # with half of it in, the lake knew other Fridays
    before = ask(month.settings, month.catalog, query("typical_friday"), month.after_first_go)
    then = {(row["site"], row["local_hour_of_day"]): row["readings"] for row in before.reader.read_all().to_pylist()}
    now = {(row["site"], row["local_hour_of_day"]): row["readings"] for row in found["typical_friday"]}
    assert then.keys() == now.keys()
    assert all(then[hour] <= now[hour] for hour in now)
    assert sum(then.values()) < sum(now.values())
