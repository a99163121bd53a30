"""Fixtures shared by all tests: an empty home, the parking feed, and the real recording if it is available."""

import shutil
from pathlib import Path

import pytest
import yaml

from foss_platform.ingest.page.feed import Feed
from foss_platform.settings import Settings
from foss_platform.transform.project.folders import target_folder
from foss_platform.transform.project.parsed import prepare_project
from foss_platform_tests.repository import PROJECT_ROOT

REAL_RECORDING = PROJECT_ROOT.parent / "shared" / "data" / "stavanger" / "polls-2020-10-14_2020-11-15.jsonl.gz"
PARKING_PAGE = PROJECT_ROOT / "foss_platform" / "defs" / "stavanger_parking" / "defs.yaml"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that runs the suite under `faults` at full size."""
    parser.addoption(
        "--faults", choices=("short", "full"), default="short", help="number of injected faults (see make faults)"
    )
    parser.addoption("--project", type=Path, help="the project that the tests use, with parking (default: this one)")


@pytest.fixture(autouse=True)
def _own_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the developer's settings, catalog and Dagster home from all tests."""
    for variable in (
        "FOSS_PROJECT",
        "FOSS_FEED",
        "FOSS_ENVIRONMENT",
        "FOSS_AUTOMATION",
        "STAVANGER_PARKING_URL",
        "DAGSTER_HOME",
    ):
        monkeypatch.delenv(variable, raising=False)
    if (project := request.config.getoption("--project")) is not None:
        monkeypatch.setenv("FOSS_PROJECT", str(project))
    monkeypatch.setenv("FOSS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYICEBERG_HOME", str(tmp_path))


@pytest.fixture(scope="session")
def parsed_project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return dbt's target folder with the parsed project, created once for all workers to save seconds."""
    home = tmp_path_factory.getbasetemp().parent / "parsed"
    settings = Settings(project=request.config.getoption("--project") or PROJECT_ROOT, home=home)
    prepare_project(settings)
    return target_folder(settings)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings of a new, empty home."""
    return Settings(home=tmp_path / "home", duckdb_memory_limit="2GB", duckdb_threads=2)


@pytest.fixture
def parsed_settings(settings: Settings, parsed_project: Path) -> Settings:
    """Return settings of a new home with a parsed dbt project."""
    shutil.copytree(parsed_project, target_folder(settings))
    return settings


@pytest.fixture
def feed() -> Feed:
    """Return the parking feed as defined by its page."""
    page = yaml.safe_load(PARKING_PAGE.read_text())
    return Feed.model_validate(page["attributes"])


@pytest.fixture
def real_recording() -> Path:
    """Return the 33 days of real polls, which exist only in a workplace with `../shared`."""
    if not REAL_RECORDING.exists():
        pytest.skip("the real recording is not available (../shared/data); other tests cover the included excerpt")
    return REAL_RECORDING
