"""While the dbt project does not parse, polls go on, and runs build the version that parsed last."""

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from foss_platform.cli.run.feed import EXCERPT
from foss_platform.components.models.project_check import PROJECT_ASSET, PROJECT_PARSES
from foss_platform.components.shared.loading import Platform
from foss_platform.definitions import build_defs
from foss_platform.errors import ConfigurationError
from foss_platform.ingest.recording.feed_server import FeedServer
from foss_platform.ingest.recording.recording import read_recording
from foss_platform.settings import Settings
from foss_platform.transform.project.manifest import manifest_of, read_subset
from foss_platform.transform.project.parsed import is_prepared, prepare_project
from foss_platform.transform.project.run_folder import run_folder
from foss_platform_tests.pipeline.cli.command_line import Foss, foss_in
from foss_platform_tests.pipeline.transform.dbt_projects import project_with

PIPELINE = "stavanger_parking"
LATEST = Path("models/gold/parking/parking_latest.sql")
BROKEN = "select * from {{ ref('parking_readings' }}"

pytestmark = pytest.mark.filterwarnings("ignore:Parameter `", "ignore:sqlglotrs")


@pytest.fixture
def editable(parsed_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return settings with a copy of the project that a test may edit. It has been parsed in this home."""
    project = project_with(tmp_path)
    monkeypatch.setenv("FOSS_DBT_PROJECT", str(project))
    settings = parsed_settings.model_copy(update={"dbt_project": project})
    assert is_prepared(settings)
    return settings


@pytest.fixture
def feed_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with FeedServer(list(read_recording(EXCERPT))[:40], pace="step") as server:
        monkeypatch.setenv("STAVANGER_PARKING_URL", server.url)
        monkeypatch.setenv("FOSS_FEED", "recorded")
        yield


def test_the_changed_model_is_held_back_and_the_others_are_built(
    editable: Settings, feed_server: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    foss: Foss = foss_in(editable.home, monkeypatch, capfd)
    (editable.dbt_project / LATEST).write_text(BROKEN)
    code, out, err = foss("run", PIPELINE)
    assert code == 1
    assert f"The dbt project does not parse ({LATEST}:1)" in err
    assert f"The model parking_latest ({LATEST}:1) has changed since the dbt project last parsed." in err
    assert f"bronze/{PIPELINE}" in out
    assert "silver/parking_readings" in out
    assert "gold/parking_hourly" in out
    assert f"The dbt project does not parse ({LATEST}:1)" in foss("status")[2]
    code, checked, _ = foss("check")
    assert (code, f"{editable.dbt_project.name}/{LATEST}:1: dbt: " in checked) == (1, True)
    assert "gold/parking_latest " not in out.partition("Checks that did not pass")[0]


def test_without_a_version_that_parsed_only_bronze_is_filled(
    settings: Settings,
    feed_server: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    foss: Foss = foss_in(settings.home, monkeypatch, capfd)
    monkeypatch.setenv("FOSS_DBT_PROJECT", str(project_with(tmp_path, gold__typo_sql=BROKEN)))
    code, out, err = foss("run", PIPELINE)
    assert code == 1
    assert f"{PIPELINE}: 9 rows added" in out
    assert "The dbt project does not parse (models/gold/added/typo.sql:1)" in err
    assert "silver" not in out


def test_a_broken_project_is_parsed_once_and_then_remembered(editable: Settings) -> None:
    (editable.dbt_project / LATEST).write_text(BROKEN)
    assert not is_prepared(editable)
    assert prepare_project(editable).problem is not None
    assert is_prepared(editable)
    fresh = editable.model_copy(update={"home": editable.home / "fresh"})
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"parking_latest\.sql:1"):
            prepare_project(fresh)


@pytest.mark.parametrize("damage", ["{", "[]", '{"fingerprint": 1}'])
def test_damaged_notes_are_written_again(editable: Settings, damage: str) -> None:
    (editable.dbt_project / LATEST).write_text(BROKEN)
    assert prepare_project(editable).problem is not None
    note = editable.home / "dbt" / "target" / "problem.json"
    note.write_text(damage)
    assert prepare_project(editable).problem is not None
    assert is_prepared(editable)


def test_a_corrected_project_is_used_again(editable: Settings) -> None:
    before = (editable.dbt_project / LATEST).read_text()
    kept = prepare_project(editable)
    (editable.dbt_project / LATEST).write_text(BROKEN)
    assert prepare_project(editable).folder == kept.folder
    (editable.dbt_project / LATEST).write_text(f"{before}\n-- corrected\n")
    corrected = prepare_project(editable)
    assert (corrected.problem, corrected.folder != kept.folder) == (None, True)
    # a run may still use the copy that is needed again
    (kept.folder / "used").touch()
    (editable.dbt_project / LATEST).write_text(before)
    assert prepare_project(editable).folder == kept.folder
    assert (kept.folder / "used").exists()


@pytest.mark.parametrize(
    ("file", "held_back"),
    [
        ("macros/parking.sql", {"parking_readings"}),
        ("seeds/parking_sites.csv", {"parking_sites"}),
        ("README.md", set()),
    ],
)
def test_nodes_made_of_a_changed_file_are_held_back(editable: Settings, file: str, held_back: set[str]) -> None:
    (editable.dbt_project / LATEST).write_text(BROKEN)
    with (editable.dbt_project / file).open("a") as changed:
        changed.write("\n")
    project = prepare_project(editable)
    subset = read_subset(project, manifest_of(project))
    models = {remark.what.split()[1] for remark in subset.held_back.values() if not remark.what.startswith("test")}
    assert models >= {"parking_latest", *held_back}
    if not held_back:
        assert models == {"parking_latest"}


def test_two_runs_have_folders_of_their_own(editable: Settings) -> None:
    project = prepare_project(editable)
    with run_folder(project.folder) as one, run_folder(project.folder) as other:
        assert one != other
        assert (one / "partial_parse.msgpack").read_bytes() == (other / "partial_parse.msgpack").read_bytes()
        for _ in range(5):
            with run_folder(project.folder):
                pass
        assert one.is_dir()
        assert other.is_dir()
    with run_folder(project.folder):
        assert not one.exists()


def _is_broken(settings: Settings) -> None:
    (settings.dbt_project / LATEST).write_text(BROKEN)


def _is_gone(settings: Settings) -> None:
    (settings.dbt_project / "dbt_project.yml").unlink()


@pytest.mark.parametrize(("breaks", "says"), [(_is_broken, f"{LATEST}:1"), (_is_gone, "There is no dbt project in")])
def test_a_sensor_reports_each_change(editable: Settings, breaks: Callable[[Settings], None], says: str) -> None:
    defs = build_defs(Platform(editable))
    sensor = defs.resolve_sensor_def("dbt_project_parses")
    with dg.DagsterInstance.ephemeral() as instance:
        cursor: str | None = None

        def evaluate() -> list[tuple[bool, str]]:
            nonlocal cursor
            with dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs) as context:
                data = sensor.evaluate_tick(context)
            cursor = data.cursor or cursor
            found = []
            for event in data.asset_events:
                assert isinstance(event, dg.AssetCheckEvaluation)
                assert (event.asset_key, event.check_name) == (PROJECT_ASSET, PROJECT_PARSES)
                found.append((event.passed, event.description or ""))
            return found

        assert evaluate() == [(True, "The project parses.")]
        assert evaluate() == []
        breaks(editable)
        ((passed, text),) = evaluate()
        assert (passed, says in text) == (False, True)
        assert evaluate() == []


def test_the_home_is_not_full_of_copies(editable: Settings) -> None:
    for number in range(6):
        (editable.dbt_project / LATEST).write_text(f"select {number} as one")
        prepare_project(editable)
    target = editable.home / "dbt" / "target"
    copies = [path for path in target.iterdir() if path.is_dir()]
    assert len(copies) <= 3
