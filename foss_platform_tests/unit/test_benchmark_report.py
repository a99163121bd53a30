"""docs/BENCHMARKS.md contains only figures of full runs."""

from dataclasses import replace
from importlib.util import find_spec

import pytest
import typer
from typer.testing import CliRunner

from foss_platform_tests.benchmarks.__main__ import BENCHMARKS, PACKAGES, main
from foss_platform_tests.benchmarks.report import NOT_MEASURED, Figure, Report, is_of_full_run, markdown, table
from foss_platform_tests.repository import PROJECT_ROOT

PAGE = PROJECT_ROOT / "docs" / "BENCHMARKS.md"
COMMAND = "python -m foss_platform_tests.benchmarks --write dlt"
REPORT = Report("dlt", "How.", [Figure("bulk: dlt / ours", [14.27], goal=5, at_least=True)])


def sections(page: str) -> dict[str, str]:
    """Return the page's sections by name."""
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in page.split("\n## ")[1:]}


def test_each_section_is_from_a_full_run_or_marked_not_measured() -> None:
    found = sections(PAGE.read_text())
    assert found.keys() == BENCHMARKS.keys()
    for name, text in found.items():
        assert text.strip() == NOT_MEASURED.strip() or is_of_full_run(text), name
        assert "quick" not in text, name
    assert "| met |" not in PAGE.read_text().partition("\n## ")[0]


def test_a_quick_report_is_not_written_and_has_no_verdict() -> None:
    quick = replace(REPORT, is_quick=True)
    with pytest.raises(ValueError, match="dlt"):
        markdown([quick], {"date": "today"}, COMMAND, "", BENCHMARKS)
    assert list(table(quick).columns[-1].cells) == [""]
    assert [str(cell) for cell in table(REPORT).columns[-1].cells] == ["[green]✓ met[/]"]


def test_quick_and_write_exclude_each_other() -> None:
    before = PAGE.read_text()
    app = typer.Typer()
    app.command()(main)
    done = CliRunner().invoke(app, ["--quick", "--write", "dlt"])
    assert (done.exit_code, "Leave out --quick or --write" in done.output) == (2, True)
    assert PAGE.read_text() == before


def test_figures_without_a_full_run_are_removed() -> None:
    stray = "# Benchmarks\n\nBy hand.\n\n## dlt\n\n| bulk | 14.27 x | met |\n"
    by_quick = f"{stray}\ndate: today; `{COMMAND} --quick`\n"
    for before in (stray, by_quick):
        page = markdown([], {}, COMMAND, before, BENCHMARKS)
        assert "14.27" not in page
        assert sections(page)["dlt"].strip() == NOT_MEASURED.strip()
    measured = markdown([REPORT], {"date": "today"}, COMMAND, stray, BENCHMARKS)
    assert is_of_full_run(sections(measured)["dlt"])
    assert markdown([], {}, COMMAND, measured, BENCHMARKS) == measured


def test_each_benchmark_has_a_module() -> None:
    assert PACKAGES.keys() == BENCHMARKS.keys()
    for name, package in PACKAGES.items():
        assert find_spec(f"foss_platform_tests.benchmarks.{package}.{name}_benchmark"), name
