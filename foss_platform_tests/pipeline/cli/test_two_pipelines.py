"""Commands of one pipeline beside a second pipeline that was never polled, or whose models are broken."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from foss_platform.cli.run.feed import EXCERPT
from foss_platform.ingest.recording.feed_server import FeedServer
from foss_platform.ingest.recording.recording import RecordedPoll, read_recording
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import find_table, list_tables, load_table
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.generated_project import BIKES, PARKING, GeneratedProject, two_pipelines, url_variable
from foss_platform_tests.tables import read


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> GeneratedProject:
    return two_pipelines(tmp_path_factory.mktemp("two"))


@pytest.fixture
def home(project: GeneratedProject, tmp_path: Path) -> Settings:
    return project.new_home(tmp_path / "home")


def tables(settings: Settings) -> set[str]:
    return {str(name) for name in list_tables(open_catalog(settings))}


def test_replay_builds_what_the_pipeline_feeds(project: GeneratedProject, home: Settings) -> None:
    code, out, err = project.foss(home.home, "replay", PARKING, str(EXCERPT))
    assert code == 0, out + err
    assert "gold.city was not built: it reads gold.bike_latest, which does not exist yet." in err
    assert {"silver.parking_sites", "gold.parking_latest"} <= tables(home)
    assert not {name for name in tables(home) if "bike" in name or "city" in name}

    # the rows of the second pipeline are missing, so its tables are empty
    code, out, err = project.foss(home.home, "rebuild", BIKES)
    assert code == 0, out + err
    assert "gold.city" not in err
    assert read(home, f"bronze.{BIKES}") == read(home, "gold.bike_latest") == read(home, "gold.bike_problems") == []
    assert len(read(home, "gold.city")) == len(read(home, "gold.parking_latest")) > 0
    assert len(read(home, "silver.bike_stations")) == 1


def test_rebuild_of_everything_and_of_one_model(project: GeneratedProject, home: Settings) -> None:
    code, out, err = project.foss(home.home, "replay", PARKING, str(EXCERPT), "--bronze-only")
    assert (code, err.splitlines()[-1]) == (0, "[]")
    code, out, err = project.foss(home.home, "rebuild")
    assert code == 0, out + err
    assert {f"bronze.{BIKES}__rejected", "gold.bike_latest", "gold.city", "gold.parking_hourly"} <= tables(home)

    def state(name: str) -> int | None:
        return load_table(open_catalog(home), TableName(*name.split("."))).metadata.current_snapshot_id

    before = {name: state(name) for name in ("silver.parking_readings", "gold.parking_latest", "gold.city")}
    code, out, err = project.foss(home.home, "rebuild", "parking_latest")
    assert code == 0, out + err
    assert {name for name, snapshot in before.items() if snapshot == state(name)} == {"silver.parking_readings"}

    code, _, err = project.foss(home.home, "rebuild", "nothing")
    assert code == 2
    assert "There is no pipeline 'nothing'. There is no model of this name either." in err


def test_bronze_only_starts_no_dbt(project: GeneratedProject, home: Settings) -> None:
    with FeedServer(list(read_recording(EXCERPT))[:2], pace="step") as server:
        feed = {"STAVANGER_PARKING_URL": server.url, "FOSS_FEED": "recorded"}
        code, out, err = project.foss(home.home, "run", PARKING, "--bronze-only", **feed)
        assert code == 0, out + err
        assert err.splitlines()[-1] == "[]"
        assert tables(home) == {f"bronze.{PARKING}", f"bronze.{PARKING}__rejected", "ops.polls"}
        status = json.loads(project.foss(home.home, "status", "--json")[1])
        assert {one["pipeline"]: one["ended"] for one in status} == {PARKING: "accepted", BIKES: None}
        # the next run also builds the polls of this run
        code, out, err = project.foss(home.home, "run", PARKING, **feed)
        assert code == 0, out + err
    assert len({row["batch_id"] for row in read(home, "silver.parking_readings")}) == 2
    assert "gold.city" not in tables(home)


def bikes_at(moment: datetime) -> RecordedPoll:
    body = json.dumps([{"station": "A", "bikes": 3, "seen": moment.isoformat()}])
    return RecordedPoll(moment, body.encode(), 200)


def test_several_pipelines_are_polled_together(project: GeneratedProject, home: Settings) -> None:
    parking = list(read_recording(EXCERPT))[:3]
    bikes = [bikes_at(poll.polled_at) for poll in parking[:2]]
    with FeedServer(parking, pace="step") as of_parking, FeedServer(bikes, pace="step") as of_bikes:
        feeds = {
            "STAVANGER_PARKING_URL": of_parking.url,
            url_variable(BIKES): of_bikes.url,
            "FOSS_FEED": "recorded",
        }

        def run() -> tuple[int, str]:
            code, out, err = project.foss(home.home, "run", PARKING, BIKES, "--bronze-only", **feeds)
            return code, out + err

        code, said = run()
        assert code == 0, said
        assert f"{PARKING}: 9 rows added" in said
        assert f"{BIKES}: 1 rows added" in said
        catalog = open_catalog(home)
        names = [TableName("bronze", PARKING), TableName("bronze", BIKES), TableName("ops", "polls")]
        assert [len(load_table(catalog, name).snapshots()) for name in names] == [1, 1, 1]
        assert len(read(home, "ops.polls")) == 2
        assert run()[0] == 0
        # the second feed has no answer left, which does not affect the first one
        code, said = run()
        assert code == 1
        assert f"{PARKING}: 9 rows added" in said
        assert "HTTP 410" in said
    assert len(read(home, f"bronze.{PARKING}")) == 27
    assert len(read(home, f"bronze.{BIKES}")) == 2
    assert sorted(row["status"] for row in read(home, "ops.polls")) == ["accepted"] * 5 + ["failed"]
    code, _, err = project.foss(home.home, "run", PARKING, BIKES)
    assert code == 2
    assert "Name one pipeline, or add --bronze-only to poll several together." in err


def test_demo(project: GeneratedProject, tmp_path: Path) -> None:
    code, out, err = project.foss(tmp_path / "home", "demo")
    assert code == 0, out + err
    assert "All steps and checks succeeded" in out


def test_a_broken_model_fails_its_own_pipeline_only(tmp_path: Path) -> None:
    broken = {
        "silver__bike_counts_sql": "{{ config(materialized='table', contract={'enforced': false}) }}\n"
        f"select no_such_column as station from {{{{ source('bronze', '{BIKES}') }}}}"
    }
    project = two_pipelines(tmp_path, **broken)
    home = project.new_home(tmp_path / "home")
    assert project.foss(home.home, "replay", PARKING, str(EXCERPT))[0] == 0
    code, out, err = project.foss(home.home, "rebuild", BIKES)
    assert code == 1
    assert "no_such_column" in err
    # the test of the broken model has found nothing, neither rows nor their absence
    (line,) = [line for line in out.splitlines() if "not_null_bike_counts_station" in line]
    assert "not run" in line
    assert "0 rows" not in out
    code, out, err = project.foss(home.home, "rebuild")
    assert code == 1
    assert find_table(open_catalog(home), TableName("gold", "parking_hourly")) is not None
    assert "bike_counts" in err
    assert "parking" not in err
