"""Three generated pipelines beside parking, one of which is broken: commands, graph and the core of the tests."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from foss_platform.cli.run.feed import EXCERPT
from foss_platform.components.shared.loading import Platform
from foss_platform.definitions import build_defs
from foss_platform.ingest.recording.feed_server import FeedServer
from foss_platform.ingest.recording.recording import RecordedPoll
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.tables import list_tables
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.generated_project import PARKING, GeneratedProject, dbt_files, page, url_variable
from foss_platform_tests.repository import PROJECT_ROOT
from foss_platform_tests.tables import read

_WORKING = [f"bikes_{number}" for number in range(1, 3)]
_BROKEN = "bikes_broken"
_MISSPELT = "cadense"
_FIRST_POLL = datetime(2026, 1, 5, 10, tzinfo=UTC)

#: Tests about the parking example or the platform as a whole, which must not notice the other pipelines.
_CORE = (
    "pipeline/cli/test_commands.py",
    "pipeline/components/test_definitions.py",
    "pipeline/maintenance/test_maintenance_assets.py",
    "pipeline/components/test_materialize.py",
)

pytestmark = pytest.mark.filterwarnings("ignore:Parameter `", "ignore:sqlglotrs")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> GeneratedProject:
    pages = {name: page(name) for name in [*_WORKING, _BROKEN]}
    pages[_BROKEN] = pages[_BROKEN].replace("cadence:", f"{_MISSPELT}:")
    # as if the broken page had worked before: it has models too
    files = [dbt_files(name, name) for name in pages]
    return GeneratedProject(tmp_path_factory.mktemp("many"), pages, {k: v for part in files for k, v in part.items()})


@pytest.fixture
def home(project: GeneratedProject, tmp_path: Path) -> Settings:
    return project.new_home(tmp_path / "home")


@pytest.fixture
def feed() -> Iterator[FeedServer]:
    """Serve one station. Each poll has one bike more."""
    times = [_FIRST_POLL + timedelta(minutes=2 * number) for number in range(4)]
    bodies = [[{"station": "Harbour", "bikes": n, "seen": at.isoformat()}] for n, at in enumerate(times, 1)]
    polls = [RecordedPoll(at, json.dumps(body).encode()) for at, body in zip(times, bodies, strict=True)]
    with FeedServer(polls, pace="step") as server:
        yield server


def tables(settings: Settings) -> set[str]:
    return {str(name) for name in list_tables(open_catalog(settings))}


def built_by(pipeline: str) -> set[str]:
    models = {f"silver.{pipeline}_counts", f"gold.{pipeline}_latest", f"gold.{pipeline}_problems"}
    return {f"bronze.{pipeline}", f"bronze.{pipeline}__rejected", f"silver.{pipeline}_stations", *models}


def line_of(file: Path, text: str) -> int:
    return next(number for number, line in enumerate(file.read_text().splitlines(), 1) if text in line)


def test_the_graph_loads_and_the_broken_page_fails_with_its_problem(project: GeneratedProject, home: Settings) -> None:
    defs = build_defs(Platform(home))
    dg.Definitions.validate_loadable(defs)
    keys = {spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()}
    assert {f"bronze/{name}" for name in [*_WORKING, PARKING]} | {_BROKEN} <= keys
    assert {schedule.name for schedule in defs.schedules or []} >= {f"{name}_schedule" for name in _WORKING}
    with dg.DagsterInstance.ephemeral() as instance:
        broken = [defs.resolve_assets_def(_BROKEN)]
        result = dg.materialize(broken, instance=instance, raise_on_error=False)
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    problem = f"defs/{_BROKEN}/defs.yaml:{line_of(project.page(_BROKEN), _MISSPELT)}: {_MISSPELT}: "
    assert problem in str(failure.step_failure_data.user_failure_data)


def test_each_pipeline_builds_its_own_models_and_rebuild_builds_all(
    project: GeneratedProject, home: Settings, feed: FeedServer
) -> None:
    found = {"ops.polls"}
    for name in _WORKING:
        variables = {url_variable(name): feed.url, "FOSS_FEED": "recorded"}
        code, out, err = project.foss(home.home, "run", name, **variables)
        assert code == 0, out + err
        found |= built_by(name)
        assert tables(home) == found
    assert [read(home, f"gold.{name}_latest")[0]["bikes"] for name in _WORKING] == [1, 2]

    code, out, err = project.foss(home.home, "rebuild", _WORKING[0])
    assert code == 0, out + err
    assert tables(home) == found
    code, out, err = project.foss(home.home, "replay", PARKING, str(EXCERPT))
    assert code == 0, out + err
    assert "gold.parking_latest" in tables(home)
    assert not {table for table in tables(home) if _BROKEN in table}
    code, out, err = project.foss(home.home, "rebuild")
    assert code == 0, out + err
    assert f"silver.{_BROKEN}_counts was not built: it reads bronze.{_BROKEN}, which does not exist yet." in err
    # its seed reads nothing
    assert {table for table in tables(home) if _BROKEN in table} == {f"silver.{_BROKEN}_stations"}

    code, out, err = project.foss(home.home, "cleanup", "--dry-run")
    assert code == 0, out + err
    code, out, err = project.foss(home.home, "status", "--json")
    assert code == 0, out + err
    states = {one["pipeline"]: one for one in json.loads(out)}
    assert states.keys() == {PARKING, *_WORKING, _BROKEN}
    assert {name: states[name]["ended"] for name in _WORKING} == dict.fromkeys(_WORKING, "accepted")
    assert states[_BROKEN]["problem"].startswith(f"defs/{_BROKEN}/defs.yaml:")


def test_the_broken_page_is_named_with_file_and_line(project: GeneratedProject, tmp_path: Path) -> None:
    where = f"defs/{_BROKEN}/defs.yaml:{line_of(project.page(_BROKEN), _MISSPELT)}: {_MISSPELT}: "
    code, out, _ = project.foss(tmp_path / "home", "check")
    assert code == 1
    assert where in out
    assert not any(name in out for name in _WORKING)
    code, out, err = project.foss(tmp_path / "new", "run", _BROKEN)
    assert (code, out) == (2, "")
    (line,) = [line for line in err.splitlines() if line.startswith("error:")]
    assert where in line
    assert not (tmp_path / "new").exists()


def test_the_core_of_the_tests_does_not_notice_them(project: GeneratedProject, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "--tb", "short"]
    command += ["--project", str(project.folder), "--basetemp", str(tmp_path / "core")]
    done = subprocess.run(
        [*command, *(f"foss_platform_tests/{module}" for module in _CORE)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-1000:]
