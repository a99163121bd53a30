"""Contents of the code location, without runs: assets, checks, schedule and permitted imports."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from foss_platform.components.models.project_check import PROJECT_ASSET
from foss_platform.components.shared.broken_page import broken_page
from foss_platform.components.shared.loading import Platform
from foss_platform.definitions import build_defs
from foss_platform.ingest.page.read_pages import read_pages
from foss_platform.settings import Settings, Switch
from foss_platform.transform.project.manifest import read_manifest
from foss_platform_tests.conftest import PARKING_PAGE
from foss_platform_tests.pipeline.generated_project import GeneratedProject
from foss_platform_tests.repository import PROJECT_ROOT

BRONZE = dg.AssetKey(["bronze", "stavanger_parking"])
PIPELINE = "stavanger_parking"
SENSOR = "default_automation_condition_sensor"

pytestmark = pytest.mark.filterwarnings("ignore:Parameter `execution_type`")


@pytest.fixture
def defs(parsed_settings: Settings) -> dg.Definitions:
    return build_defs(Platform(parsed_settings))


@pytest.fixture
def defs_off(parsed_settings: Settings) -> dg.Definitions:
    return build_defs(Platform(parsed_settings.model_copy(update={"automation": Switch.OFF})))


def specs_of(defs: dg.Definitions) -> dict[dg.AssetKey, dg.AssetSpec]:
    return {spec.key: spec for spec in defs.resolve_all_asset_specs()}


def python(code: str, cwd: Path = PROJECT_ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a separate interpreter, with `cwd` first on its path."""
    given = {**os.environ, "PYTHONPATH": str(cwd), **environment}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=cwd, env=given, capture_output=True, text=True, timeout=120)


def test_a_server_can_load_it(defs: dg.Definitions) -> None:
    # listing only the assets does not detect duplicate names
    dg.Definitions.validate_loadable(defs)


def test_every_dbt_source_is_an_asset_of_the_same_key(defs: dg.Definitions, parsed_settings: Settings) -> None:
    sources = {
        dg.AssetKey([source["schema"], source["identifier"]])
        for source in read_manifest(parsed_settings)["sources"].values()
        # users' own tables, which no model may read
        if source["source_name"] != "reference"
    }
    feeds = [feed for page in read_pages(parsed_settings.defs_folder) for feed in page.feeds]
    tables = [table for feed in feeds for table in (feed.bronze, feed.rejected)]
    polled = {dg.AssetKey(["ops", "polls"]), *(dg.AssetKey([table.namespace, table.name]) for table in tables)}
    assert {BRONZE, dg.AssetKey(["ops", "polls"])} <= sources
    # an asset that is defined only as a dependency would have no description
    assert all(specs_of(defs)[key].description for key in sources & polled)


def test_every_asset_has_a_description_and_an_owner(defs: dg.Definitions) -> None:
    specs = {key: spec for key, spec in specs_of(defs).items() if spec.group_name in (PIPELINE, "ops")}
    assert len(specs) == 12
    for key, spec in specs.items():
        assert len(key.path) == 2, key
        assert spec.owners, key
        assert (spec.description or "").strip(), key
        assert "Raw SQL" not in (spec.description or ""), key
        assert spec.group_name == ("ops" if key.path[0] == "ops" else PIPELINE)
        layer = {"ops": set(), "bronze": {"bronze"}, "gold": {"gold"}}.get(key.path[0], {"silver"})
        layer = {"seed"} if key.path[-1] == "parking_sites" else layer
        kinds = {"dbt"} if key == PROJECT_ASSET else {"iceberg", *layer}
        assert kinds <= set(spec.kinds), key


def test_only_gold_has_a_freshness_limit(defs: dg.Definitions) -> None:
    own = {key: spec for key, spec in specs_of(defs).items() if spec.group_name in (PIPELINE, "ops")}
    assert {key for key, spec in own.items() if spec.freshness_policy} == {key for key in own if key.path[0] == "gold"}


def test_schedule_and_sensor_are_on_by_default(defs: dg.Definitions) -> None:
    schedule = defs.resolve_schedule_def(f"{PIPELINE}_schedule")
    assert schedule.cron_schedule == "*/2 * * * *"
    assert schedule.execution_timezone == "UTC"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert defs.resolve_sensor_def(SENSOR).default_status is dg.DefaultSensorStatus.RUNNING
    models = [spec for spec in specs_of(defs).values() if {"dbt", "iceberg"} <= spec.kinds]
    assert models
    assert all(spec.automation_condition for spec in models)


def test_nothing_is_on_by_default_if_automation_is_off(defs_off: dg.Definitions) -> None:
    assert defs_off.resolve_schedule_def(f"{PIPELINE}_schedule").default_status is dg.DefaultScheduleStatus.STOPPED
    assert defs_off.resolve_sensor_def(SENSOR).default_status is dg.DefaultSensorStatus.STOPPED
    assert not any(spec.automation_condition for spec in specs_of(defs_off).values())


def test_the_job_polls_and_builds_all_that_depends_on_it(defs: dg.Definitions) -> None:
    selected = defs.resolve_job_def(PIPELINE).asset_layer.selected_asset_keys
    own = {key for key, spec in specs_of(defs).items() if spec.group_name == PIPELINE}
    # the step of the models builds a seed that has changed
    assert selected == own - {dg.AssetKey(["silver", "parking_sites"])}


def test_only_the_row_count_check_blocks(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    blocking = {key.name: graph.get(key).blocking for key in graph.asset_check_keys if key.asset_key == BRONZE}
    assert blocking.pop("rows_in_expected_range") is True
    assert blocking
    assert not any(blocking.values())


def test_core_does_not_import_dagster() -> None:
    code = (
        "import importlib, pkgutil, sys\n"
        "for room in ('lake', 'ingest', 'transform'):\n"
        "    package = importlib.import_module(f'foss_platform.{room}')\n"
        "    for module in pkgutil.walk_packages(package.__path__, f'{package.__name__}.'):\n"
        "        importlib.import_module(module.name)\n"
        "        print(module.name)\n"
        "sys.exit(' '.join(sorted(name for name in sys.modules if name.startswith('dagster'))) or 0)"
    )
    done = python(code)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.split()) > 20


def test_importing_the_definitions_touches_no_disk(tmp_path: Path) -> None:
    home = tmp_path / "untouched"
    done = python("import foss_platform.definitions", FOSS_HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert not home.exists()


def test_a_broken_page_disables_its_own_assets_only(tmp_path: Path, parsed_settings: Settings) -> None:
    text = PARKING_PAGE.read_text()
    pages = {
        "misspelt": text.replace("  cadence:", "  cadense:").replace(f"name: {PIPELINE}", "name: misspelt"),
        "not_yaml": "type: [",
        "of_nobody": "type: nobody.has.This\nattributes: {}\n",
        "second-one": text.replace(f"name: {PIPELINE}", "name: second"),
    }
    project = GeneratedProject(tmp_path, pages, {})
    (project.page("raises").parent).mkdir()
    (project.page("raises").parent / "assets.py").write_text("raise RuntimeError('a team may do anything')\n")
    defs = build_defs(Platform(parsed_settings.model_copy(update={"project": project.folder})))
    found = {spec.key.to_user_string(): spec.description or "" for spec in defs.resolve_all_asset_specs()}
    line = text[: text.index("  cadence:")].count("\n") + 1
    assert f"defs/misspelt/defs.yaml:{line}: cadense: " in found["misspelt"]
    assert "Did you mean cadence?" in found["misspelt"]
    assert "not YAML" in found["not_yaml"]
    assert "nobody.has" in found["of_nobody"]
    assert "RuntimeError: a team may do anything" in found["raises"]
    assert {f"bronze/{PIPELINE}", "bronze/second", "gold/parking_latest", "ops/polls"} <= found.keys()
    assert not {"bronze/misspelt", "bronze/misspelt__rejected"} & found.keys()


def test_a_broken_page_fails_when_it_is_materialized() -> None:
    page = broken_page("traffic/city", ["defs/traffic/city/defs.yaml:3: cadense: This key is not known here."])
    result = page.resolve_implicit_global_asset_job_def().execute_in_process(raise_on_error=False)
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "defs.yaml:3: cadense" in str(failure.step_failure_data.user_failure_data)
