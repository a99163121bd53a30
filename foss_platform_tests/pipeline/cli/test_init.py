"""`foss init`: the files of a new project, what it refuses, and what it tells."""

from pathlib import Path, PurePosixPath

import pytest

from foss_platform.new_project.project_files import project_files, project_name
from foss_platform.project import pages_folder
from foss_platform_tests.pipeline.cli.command_line import Foss, foss_in
from foss_platform_tests.repository import PROJECT_ROOT


@pytest.fixture
def foss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Foss:
    return foss_in(tmp_path / "home", monkeypatch, capfd)


def test_a_project_with_the_example_contains_the_whole_dbt_project() -> None:
    files = project_files("city-lake", example=True)
    for file in (PROJECT_ROOT / "dbt_project").rglob("*.*"):
        path = PurePosixPath(file.relative_to(PROJECT_ROOT).as_posix())
        # this repository may have models of further pipelines
        if file.is_file() and ("parking" in path.as_posix() or path in files):
            assert files[path] == file.read_bytes()
    page = PurePosixPath("defs/stavanger_parking/defs.yaml")
    assert files[page] == (PROJECT_ROOT / "foss_platform" / page).read_bytes()
    assert b"## The example" in files[PurePosixPath("README.md")]
    assert b'name = "city-lake"' in files[PurePosixPath("pyproject.toml")]


def test_a_project_without_the_example_does_not_mention_it() -> None:
    files = project_files("city-lake", example=False)
    # one Makefile serves both, and its `make demo` says what it needs
    mentions = [path for path, text in files.items() if b"parking" in text.lower()]
    assert mentions == [PurePosixPath("Makefile")]
    assert {path.parts[1] for path in files if path.parts[0] == "defs"} == {"dbt", "operations", "platform_health"}
    assert PurePosixPath("dbt_project/macros/foss_platform.sql") in files


@pytest.mark.parametrize("example", [True, False])
def test_no_placeholder_is_left(example: bool) -> None:
    files = project_files("city-lake", example=example)
    assert [path for path, text in files.items() if b"@NAME@" in text or b"@VERSION@" in text] == []


@pytest.mark.parametrize(
    ("folder", "name"), [("City lake", "city-lake"), ("by_2026", "by-2026"), ("Ærø", "r"), ("--", "lakehouse")]
)
def test_the_name_follows_from_the_folder(folder: str, name: str) -> None:
    assert project_name(Path(folder)) == name


def test_init_creates_a_project_and_names_the_next_commands(tmp_path: Path, foss: Foss) -> None:
    project = tmp_path / "city"
    (project / ".git").mkdir(parents=True)
    code, out, _ = foss("init", str(project))
    assert code == 0
    assert f"cd {project}" in out
    assert "make demo" in out
    assert (project / ".gitignore").is_file()
    assert pages_folder(project) == project / "defs"
    # dbt can be started by hand
    assert (project / "dbt_project" / "dbt_packages" / "foss_platform" / "dbt_project.yml").is_file()


def test_a_dry_run_writes_nothing(tmp_path: Path, foss: Foss) -> None:
    code, out, _ = foss("init", str(tmp_path / "city"), "--dry-run", "--no-example")
    assert code == 0
    assert str(tmp_path / "city" / "defs" / "dbt" / "defs.yaml") in out.splitlines()
    assert not (tmp_path / "city").exists()


@pytest.mark.parametrize("dry_run", [(), ("--dry-run",)])
def test_a_used_folder_is_refused(tmp_path: Path, foss: Foss, dry_run: tuple[str, ...]) -> None:
    used = tmp_path / "used"
    used.mkdir()
    (used / "notes.txt").write_text("mine")
    code, _, err = foss("init", str(used), *dry_run)
    assert (code, "is not empty: it contains notes.txt" in err) == (2, True)
    assert [file.name for file in used.iterdir()] == ["notes.txt"]
    code, _, err = foss("init", str(used / "notes.txt"))
    assert (code, "is not a folder" in err) == (2, True)


def test_files_that_differ_from_the_installed_version_are_named_and_updated(
    tmp_path: Path, foss: Foss, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "city"
    foss("init", str(project))
    monkeypatch.chdir(project / "defs")
    assert foss("check")[0] == 0
    own = project / "dbt_project" / "models" / "own.sql"
    own.write_text("{{ config(contract={'enforced': false}) }} select 1 as one")
    changed, lost = project / "dbt_project/macros/foss_platform.sql", project / "dbt_project/profiles.yml"
    correct = changed.read_text()
    changed.write_text("-- of an earlier version")
    lost.unlink()

    code, out, _ = foss("check")
    assert code == 1
    assert "dbt_project/macros/foss_platform.sql:1: This file of the platform is not the one of the installed" in out
    assert "dbt_project/profiles.yml:1: " in out
    assert "Run `foss init --update ..`." in out
    # pages that are named are judged alone
    assert foss("check", "dbt")[0] == 0

    code, out, _ = foss("init", "--update", "..", "--dry-run")
    assert (code, len(out.splitlines())) == (0, 2)
    assert not lost.exists()
    foss("init", "--update", "..")
    assert (changed.read_text(), lost.exists(), own.exists()) == (correct, True, True)
    assert foss("check")[0] == 0
    assert "Up to date" in foss("init", "--update", "..")[1]


def test_only_a_project_can_be_updated(tmp_path: Path, foss: Foss) -> None:
    code, _, err = foss("init", "--update", str(tmp_path))
    assert (code, "is not a project" in err) == (2, True)
