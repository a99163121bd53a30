"""Settings from the environment: typos are errors, and all problems are reported at once."""

from pathlib import Path

import pytest

from foss_platform.engine import Engine
from foss_platform.errors import ConfigurationError, PermanentError
from foss_platform.settings import Environment, FeedMode, Switch, load_settings


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENGINE", "HOME", "DUCKDB_THREADS", "DUCKDB_MEMORY_LIMIT", "DUCKDB_TEMP_DIRECTORY", "DBT_PROJECT"):
        monkeypatch.delenv(f"FOSS_{name}", raising=False)


def test_the_defaults() -> None:
    settings = load_settings()
    assert (settings.environment, settings.engine) == (Environment.LOCAL, Engine.DUCKDB)
    assert (settings.feed, settings.automation) == (FeedMode.LIVE, Switch.ON)
    assert settings.home.is_absolute()
    assert settings.spill_directory == settings.home / "spill"
    assert settings.dbt_project.is_dir()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "prodution"),
        ("ENVIRONMENT", "Production"),
        ("ENVIRONMENT", " production"),
        ("ENVIRONMENT", ""),
        ("ENGINE", "spark"),
        ("AUTOMATION", "true"),
        ("FEED", "replayed"),
        ("DUCKDB_THREADS", "0"),
        ("DUCKDB_THREADS", "two"),
    ],
)
def test_a_typo_fails_and_names_variable_and_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"FOSS_{name}", value)
    with pytest.raises(ConfigurationError, match=f"FOSS_{name}: .*it is {value!r}"):
        load_settings()


@pytest.mark.parametrize(
    "url", ["https://me:hidden@trino:8443", "https://trino:99999", "https://trino:0", "http://trino:8080", "trino"]
)
def test_wrong_address_is_reported_without_its_password(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("FOSS_TRINO_URL", url)
    with pytest.raises(ConfigurationError, match=r"FOSS_TRINO_URL: .*it is not an address") as caught:
        load_settings()
    assert url.rpartition("@")[2] in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_error_lists_the_possible_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOSS_ENVIRONMENT", "prod")
    with pytest.raises(ConfigurationError, match="'local' or 'production'"):
        load_settings()


def test_all_problems_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"FOSS_ENVIRONMENT": "prod", "FOSS_ENGINE": "spark", "FOSS_DUCKDB_THREADS": "-1", "FOSS_FEED": "x"}
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PermanentError) as caught:
        load_settings()
    assert [name for name in wrong if name not in caught.value.problem] == []
    assert caught.value.remedy


def test_paths_are_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("FOSS_HOME", "lake")
    assert load_settings().home == tmp_path / "lake"
    monkeypatch.setenv("FOSS_HOME", "~/lake")
    assert load_settings().home == tmp_path / "me" / "lake"
    assert load_settings().dagster_home == tmp_path / "me" / "lake" / "dagster"


def test_settings_do_not_change_once_read() -> None:
    settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.environment = Environment.PRODUCTION
