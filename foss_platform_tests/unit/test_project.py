"""Finding the project that commands use: by setting, by the current folder, or this checkout."""

from pathlib import Path

import pytest

from foss_platform import project
from foss_platform.errors import ConfigurationError
from foss_platform.settings import load_settings
from foss_platform_tests.repository import PROJECT_ROOT

PROJECT = '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "city"\n'


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROJECT", "HOME", "DBT_PROJECT"):
        monkeypatch.delenv(f"FOSS_{name}", raising=False)


def make_project(folder: Path, pyproject: str = PROJECT, pages: str = "city/defs") -> Path:
    (folder / pages).mkdir(parents=True)
    (folder / "pyproject.toml").write_text(pyproject)
    return folder


def test_the_nearest_project_above_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_project(tmp_path)
    inner = make_project(tmp_path / "inner")
    # the file of another program
    (inner / "city" / "pyproject.toml").write_text('[tool.dg]\ndirectory_type = "workspace"\n')
    monkeypatch.chdir(inner / "city" / "defs")
    settings = load_settings()
    assert settings.project == inner
    assert settings.defs_folder == inner / "city" / "defs"
    assert (settings.home, settings.dbt_project) == (inner / ".foss", inner / "dbt_project")


def test_the_setting_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_project(tmp_path / "here")
    make_project(tmp_path / "there")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("FOSS_PROJECT", "../there")
    monkeypatch.setenv("FOSS_DBT_PROJECT", "models")
    settings = load_settings()
    assert settings.defs_folder.resolve() == tmp_path / "there" / "city" / "defs"
    assert settings.home.resolve() == tmp_path / "there" / ".foss"
    assert settings.dbt_project == tmp_path / "here" / "models"


def test_a_checkout_is_used_if_there_is_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings().project == PROJECT_ROOT
    assert load_settings().defs_folder == PROJECT_ROOT / "foss_platform" / "defs"
    monkeypatch.setattr(project, "_CHECKOUT", tmp_path / "site-packages")
    with pytest.raises(ConfigurationError, match=r"There is no project in .* or above it\. .*FOSS_PROJECT.*foss init"):
        load_settings()


@pytest.mark.parametrize("text", [None, "", '[tool.dg]\ndirectory_type = "workspace"\n'])
def test_a_setting_that_names_no_project_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    monkeypatch.setenv("FOSS_PROJECT", str(tmp_path))
    monkeypatch.setenv("FOSS_ENGINE", "spark")
    with pytest.raises(ConfigurationError, match=r"FOSS_PROJECT: .*it is not a project.*FOSS_ENGINE") as caught:
        load_settings()
    # home and dbt project follow from it: their absence is not a problem of its own
    assert "FOSS_HOME" not in str(caught.value)


def test_a_file_that_is_not_toml_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"pyproject\.toml is not TOML: .*line 1, column"):
        load_settings()


@pytest.mark.parametrize(
    ("keys", "folder"),
    [
        ('root_module = "defs"\ndefs_module = "defs"', "defs"),
        ('root_module = "city"', "city/defs"),
        ('root_module = "city"', "src/city/defs"),
        ('root_module = "city"\ndefs_module = "city.pages"', "city/pages"),
    ],
)
def test_pages_are_where_dg_looks_for_them(tmp_path: Path, keys: str, folder: str) -> None:
    text = f'[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\n{keys}\n'
    assert project.pages_folder(make_project(tmp_path, text, folder)) == tmp_path / folder


def test_a_project_without_pages_is_an_error(tmp_path: Path) -> None:
    make_project(tmp_path, pages="elsewhere")
    with pytest.raises(ConfigurationError, match=r"should be in .*city/defs, which is not a folder"):
        project.pages_folder(tmp_path)
