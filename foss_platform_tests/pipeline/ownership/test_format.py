"""The version of the lake's format: a program that does not know it neither reads nor writes the lake."""

import json

import pytest

from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.ownership.mark import FORMAT, MARK, NewerLakeError
from foss_platform.lake.ownership.require_own import require_own
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.cli.command_line import Foss, foss_in
from foss_platform_tests.pipeline.ownership.copies import add, files_of, fill, rows_of


@pytest.fixture
def lake(settings: Settings) -> Settings:
    fill(settings)
    return settings


@pytest.fixture
def foss(lake: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Foss:
    return foss_in(lake.home, monkeypatch, capfd)


def set_format(settings: Settings, version: int | None) -> None:
    file = settings.home / "warehouse" / MARK
    mark = json.loads(file.read_text())
    del mark["format"]
    file.write_text(json.dumps(mark if version is None else {**mark, "format": version}))


def test_a_new_lake_states_its_format(lake: Settings) -> None:
    assert json.loads((lake.home / "warehouse" / MARK).read_text())["format"] == FORMAT


def test_a_lake_from_before_formats_is_used(lake: Settings) -> None:
    set_format(lake, None)
    add(open_catalog(lake), 77)
    assert all(77 in ids for ids in rows_of(lake.home).values())


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("sql", "select 1"),
        ("tables",),
        ("run", "stavanger_parking"),
        ("rebuild",),
        ("cleanup", "--yes"),
        ("adopt", "--yes"),
    ],
    ids=lambda words: words[0],
)
def test_every_command_refuses_a_newer_lake_in_one_sentence(lake: Settings, foss: Foss, words: tuple[str, ...]) -> None:
    set_format(lake, FORMAT + 1)
    before = files_of(lake.home)
    code, _, err = foss(*words)
    assert code == 2, err
    (line,) = err.splitlines()
    assert f"has format {FORMAT + 1}, which foss-platform" in line
    assert line.count(". ") == 0
    assert files_of(lake.home) == before


def test_the_core_refuses_it_too(lake: Settings) -> None:
    set_format(lake, FORMAT + 1)
    with pytest.raises(NewerLakeError):
        open_catalog(lake)
    with pytest.raises(NewerLakeError):
        require_own(open_catalog(lake, judge=False))


def test_validate_reports_it_as_a_failure(lake: Settings, foss: Foss) -> None:
    set_format(lake, FORMAT + 1)
    code, out, _ = foss("validate")
    assert code == 1
    assert f"has format {FORMAT + 1}" in " ".join(out.split())
