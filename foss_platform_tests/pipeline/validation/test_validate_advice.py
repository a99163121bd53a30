"""What `foss validate` advises fits the configuration: nobody with a file is told to look after a server."""

import re
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
import time_machine

from foss_platform.lake.commit.commit_with_retry import Change, apply_change
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table
from foss_platform.settings import Settings, load_settings
from foss_platform.validation.results import Result, Status
from foss_platform.validation.suite import CHECKS, validate
from foss_platform.validation.trial import new_trial

LAKE = "PYICEBERG_CATALOG__LAKE__"
NAME = TableName("bronze", "things")
ROWS = pa.table({"id": [1]})
#: By configuration: its variables, and what no advice for it speaks of.
CONFIGURATIONS = {
    "embedded": ({}, r"Postgres|REST|S3|s3\.|MinIO|bucket|\bkey\b|region|Trino|PASSWORD|NTP for the store|server"),
    "Postgres and a bucket": (
        {
            f"{LAKE}URI": "postgresql+psycopg2://lake@127.0.0.1:1/lake",
            f"{LAKE}WAREHOUSE": "s3://bucket/lake",
            f"{LAKE}S3__ENDPOINT": "http://127.0.0.1:1",
        },
        r"REST|catalog\.db|Trino|folder",
    ),
    "REST and Trino": (
        {
            f"{LAKE}URI": "http://127.0.0.1:1",
            f"{LAKE}TYPE": "rest",
            f"{LAKE}WAREHOUSE": "file:///nowhere",
            "FOSS_ENGINE": "trino",
            "FOSS_TRINO_URL": "https://trino.example:8443",
            "FOSS_TRINO_USER": "engineer",
            "FOSS_TRINO_PASSWORD": "sesame",
        },
        r"Postgres|catalog\.db|DUCKDB|S3|bucket|PASSWORD",
    ),
}


@pytest.mark.parametrize(("variables", "foreign"), CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_no_check_advises_about_what_is_not_configured(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], foreign: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    trial = new_trial(load_settings())
    # a folder's clock, and that of a file, is not asked for
    asked = [check for check in CHECKS if not check.name.endswith("_clock_agrees")]
    advice = {check.name: check.remedy_for(trial) for check in asked}
    assert all(advice.values())
    home = advice["home_writable"], advice["dagster_storage_answers"]
    unfit = {name: text for name, text in advice.items() if text not in home and re.search(foreign, text)}
    assert unfit == {}
    assert "Postgres" not in advice["dagster_storage_answers"]


def test_dagster_on_sqlite_that_cannot_be_opened(settings: Settings) -> None:
    open_catalog(settings)
    settings.dagster_home.mkdir(parents=True)
    (settings.dagster_home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (settings.dagster_home / "history" / "runs.db").mkdir(parents=True)
    found = by_name(settings)["dagster_storage_answers"]
    assert found.status is Status.FAILED
    assert str(settings.dagster_home) in found.remedy
    assert "Postgres" not in found.remedy


def test_dagster_on_postgres_is_told_by_its_configuration(settings: Settings) -> None:
    settings.dagster_home.mkdir(parents=True)
    (settings.dagster_home / "dagster.yaml").write_text("storage: {postgres: {postgres_url: x}}\n")
    (check,) = [check for check in CHECKS if check.name == "dagster_storage_answers"]
    assert "Dagster's Postgres" in check.remedy_for(new_trial(settings))


@pytest.mark.parametrize(("back", "status"), [(1, Status.PASSED), (5, Status.WARNING), (86_400, Status.WARNING)])
def test_a_clock_behind_the_newest_commit_is_a_warning(settings: Settings, back: int, status: Status) -> None:
    start = datetime(2044, 3, 1, tzinfo=UTC)
    with time_machine.travel(start, tick=False) as clock:
        catalog = open_catalog(settings)
        ensure_table(catalog, TableSpec(NAME, ROWS.schema))
        clock.shift(timedelta(seconds=1))
        apply_change(catalog, NAME, lambda _: Change(ROWS))
        clock.shift(-timedelta(seconds=back))
        found = by_name(settings)["lake_clock_agrees"]
    assert found.status is status
    if status is Status.WARNING:
        assert f"the newest commit of bronze.things is {back:,.1f} s ahead of this machine's clock" in found.detail
        assert "NTP" in found.remedy


def by_name(settings: Settings) -> dict[str, Result]:
    return {result.name: result for result in validate(new_trial(settings))}
