"""`foss` with the engine Trino: queries, builds through Dagster, and the errors if Trino is unavailable."""

import json
from datetime import UTC, datetime
from pathlib import Path

import certifi
import dagster as dg
import pytest

from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.recording.recording import read_recording
from foss_platform.settings import load_settings
from foss_platform_tests.pipeline.cli.command_line import Foss, foss_in
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import EXCERPT, Pipeline
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake

LATEST = (
    "select site, observed_at, status, free_spaces, is_plausible, age_minutes from gold.parking_latest order by site"
)


@pytest.fixture
def foss(trino: TrinoOnLake, feed: Feed, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Foss:
    monkeypatch.setenv("FOSS_ENGINE", "trino")
    settings = load_settings()
    Pipeline(settings, feed).ingest(list(read_recording(EXCERPT))[:20])
    return foss_in(settings.home, monkeypatch, capfd)


def test_after_a_rebuild_by_dagster_both_engines_agree(foss: Foss) -> None:
    code, out, err = foss("rebuild")
    assert code == 0, out + err
    with dg.DagsterInstance.from_config(str(load_settings().dagster_home)) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["gold", "parking_latest"]))
    assert event is not None
    assert event.asset_materialization is not None
    shown = event.asset_materialization.metadata
    assert shown["engine"].value == "trino"
    assert {"dagster/row_count", "dagster/column_schema", "snapshot", "preview"} <= shown.keys()
    ours, theirs = (foss("sql", "--format", "csv", "--engine", engine, LATEST) for engine in ("duckdb", "trino"))
    assert ours[:2] == theirs[:2]
    assert len(ours[1].splitlines()) == 10

    code, out, err = foss("sql", "--engine", "trino", "--at", "1 second ago", "--format", "csv", LATEST)
    assert (code, out) == theirs[:2]
    assert "gold.parking_latest as committed at" in err
    code, _, err = foss("sql", "--engine", "trino", "--at", "2000-01-01T00:00:00Z", LATEST)
    assert (code, "gold.parking_latest" in err) == (1, True)


def test_time_travel_works_for_every_spelling_of_a_table(foss: Foss, trino: TrinoOnLake) -> None:
    assert foss("rebuild")[0] == 0
    then = datetime.now(UTC).isoformat()
    counted = "select count(*) as n from"
    before = foss("sql", "--engine", "trino", "--format", "csv", f"{counted} gold.parking_latest")[1]
    trino.access.rows("delete from gold.parking_latest")
    for spelling in ("gold.parking_latest", "GOLD.Parking_Latest", 'engineer."gold".parking_latest'):
        query = f"{counted} {spelling}"
        assert foss("sql", "--engine", "trino", "--at", then, "--format", "csv", query)[1] == before, spelling
        assert foss("sql", "--engine", "trino", "--format", "csv", query)[1] != before, spelling
    code, out, _ = foss("sql", "--engine", "trino", "--at", then, f"explain {counted} gold.parking_latest")
    assert (code, "parking_latest" in out) == (0, True)
    for other in ('gold."parking_latest$files"', "analyst.gold.parking_latest"):
        code, out, err = foss("sql", "--engine", "trino", "--at", then, f"{counted} {other}")
        assert (code, out, "cannot be read in a past state" in err) == (1, "", True)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("delete from gold.parking_latest", "Only SELECT is allowed"),
        ("explain analyze delete from bronze.stavanger_parking", "Only SELECT is allowed"),
        ("EXPLAIN ANALYZE VERBOSE delete from bronze.stavanger_parking", "Only SELECT is allowed"),
        ("explain (type logical) insert into ops.polls select * from ops.polls", "Only SELECT is allowed"),
        ("/* */ explain analyze delete from bronze.stavanger_parking", "Only SELECT is allowed"),
        ("select 1; select 2", "Only one statement can be run at a time, but there are 2."),
        ("select * from gold.nope", "The table gold.nope does not exist."),
        ("select 1/0", "DIVISION_BY_ZERO"),
        ("select nope", "COLUMN_NOT_FOUND"),
    ],
)
def test_an_invalid_query_is_a_one_line_error(foss: Foss, query: str, said: str) -> None:
    code, out, err = foss("sql", "--engine", "trino", query)
    assert (code, out) == (1, "")
    assert said in err


def test_trino_refuses_or_is_unavailable(
    foss: Foss, trino: TrinoOnLake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cases = {
        ("FOSS_TRINO_PASSWORD", "wrong"): "wrong name or password",
        ("FOSS_TRINO_URL", "https://localhost:1"): "does not answer",
        ("FOSS_TRINO_URL", "http://localhost:8080"): "FOSS_TRINO_URL",
        ("FOSS_TRINO_CA_FILE", str(tmp_path / "nothing.pem")): "which is not a file",
        ("FOSS_TRINO_USER", ""): "FOSS_TRINO_USER is not set",
    }
    for (name, value), said in cases.items():
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            code, _, err = foss("sql", "--engine", "trino", "select 1")
            assert code in (1, 2)
            assert said in err
            assert trino.access.passwords["engineer"] not in err


def test_the_ca_file_overrides_the_machines_certificates(foss: Foss, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, certifi.where())
    code, out, err = foss("rebuild")
    assert code == 0, out + err
    assert foss("sql", "--engine", "trino", "select 1")[0] == 0


def test_results_with_nested_types(foss: Foss) -> None:
    query = (
        "select array_agg(row(site, free_spaces)) as pairs, map(array[date '2026-11-23'], array[1]) as by_day, "
        "array[timestamp '2026-11-23 08:00:00 Europe/Oslo'] as moments from gold.parking_latest"
    )
    assert foss("rebuild")[0] == 0
    code, out, err = foss("sql", "--engine", "trino", "--format", "json", query)
    assert code == 0, err
    (row,) = json.loads(out)
    assert len(row["pairs"]) == 9
    assert {tuple(pair) for pair in row["pairs"]} == {("field0", "field1")}
    assert row["by_day"] == {"2026-11-23": 1}
    assert row["moments"] == ["2026-11-23T07:00:00+00:00"]


def test_validate_queries_trino(foss: Foss, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {check["name"]: check for check in json.loads(foss("validate", "--json")[1])["results"]}
    assert [found[name]["status"] for name in ("engine_starts", "engine_reads_lake", "lake_drops")] == ["passed"] * 3
    assert "Trino 476" in found["engine_starts"]["detail"]
    monkeypatch.setenv("FOSS_TRINO_CATALOG", "nope")
    found = {check["name"]: check for check in json.loads(foss("validate", "--json")[1])["results"]}
    assert found["engine_starts"]["status"] == "failed"
    assert "FOSS_TRINO_CATALOG" in found["engine_starts"]["remedy"]
