"""`foss validate` on the four kinds of lake: it leaves nothing behind, and reports an unavailable server as failed."""

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foss_platform.cli.main import run
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.ownership.mark import MARK
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table
from foss_platform.transform.project.folders import target_folder
from foss_platform.validation.probe import probe_rows
from foss_platform.validation.results import Status
from foss_platform.validation.suite import CHECK_SECONDS, CHECKS
from foss_platform.validation.suite import validate as run_checks
from foss_platform.validation.trial import new_trial
from foss_platform_tests.services.lakes import Kind, Lake
from foss_platform_tests.services.servers.postgres import Postgres
from foss_platform_tests.services.servers.process import Server

_PREFIX = "PYICEBERG_CATALOG__LAKE__"
NAME = TableName("bronze", "readings")
LIMITS = {check.name: check.seconds or CHECK_SECONDS for check in CHECKS}
NEEDS_LAKE = ("lake_commits", "engine_reads_lake", "lake_drops")

Validate = Callable[..., tuple[int, dict[str, dict[str, Any]]]]

ON_MINIO = pytest.mark.parametrize("kind", [Kind.POSTGRES_MINIO], indirect=True)
ON_REST = pytest.mark.parametrize("kind", [Kind.REST_MINIO], indirect=True)


@pytest.fixture
def validate(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], parsed_project: Path
) -> Validate:
    """Call `foss validate --json`. Return its exit code and its results by name, both without secrets."""
    if not target_folder(lake.settings).exists():
        shutil.copytree(parsed_project, target_folder(lake.settings))
    # the daemon has its own test
    monkeypatch.setenv("FOSS_AUTOMATION", "off")

    def call(*words: str) -> tuple[int, dict[str, dict[str, Any]]]:
        monkeypatch.setattr(sys, "argv", ["foss", "validate", "--json", *words])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        assert not [secret for secret in lake.secrets if secret in out + err]
        code = ended.value.code
        assert isinstance(code, int)
        results = {result["name"]: result for result in json.loads(out)["results"]}
        for result in results.values():
            assert bool(result["remedy"]) == (result["status"] in ("failed", "warning"))
            assert result["seconds"] < LIMITS[result["name"]] + 1
        return code, results

    return call


def left(lake: Lake) -> tuple[list[Any], list[str]]:
    """Return all tables of all namespaces, and all objects of the store but the mark, which the first write leaves."""
    catalog = open_catalog(lake.settings)
    tables = [(name, catalog.list_tables(name)) for name in sorted(catalog.list_namespaces())]
    if lake.store_server is None:
        # the catalog's file changes with every commit, but its name does not
        paths = (path for path in lake.settings.home.rglob("*") if path.name not in (MARK, "warehouse"))
        return tables, sorted(map(str, paths))
    bucket = lake.warehouse.split("/")[2]
    answer = lake.store_server.files.call_s3("list_objects_v2", Bucket=bucket)
    keys = (found["Key"] for found in answer.get("Contents", []))
    return tables, sorted(key for key in keys if not key.endswith(f"/{MARK}"))


def failures(results: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, result in results.items() if result["status"] == "failed"}


@pytest.mark.parametrize("has_tables", [False, True])
def test_all_checks_pass_and_nothing_is_left(lake: Lake, validate: Validate, has_tables: bool) -> None:
    # the first connection creates the catalog's own tables
    catalog = open_catalog(lake.settings)
    if has_tables:
        ensure_table(catalog, TableSpec(NAME, probe_rows().schema))
        commit(catalog, NAME, lambda _: Change(probe_rows()))
    before = left(lake)
    code, results = validate()
    assert (code, failures(results)) == (0, set())
    assert list(results) == [check.name for check in CHECKS]
    assert all(
        results[name]["status"] == "passed" for name in (*NEEDS_LAKE, "store_takes_objects", "catalog_supported")
    )
    on_store = "passed" if lake.store_server is not None else "skipped"
    assert results["store_clock_agrees"]["status"] == on_store
    assert results["catalog_clock_agrees"]["status"] == ("passed" if lake.catalog_server is not None else "skipped")
    assert left(lake) == before


@ON_MINIO
@pytest.mark.parametrize("away", [Server.stop, Server.freeze])
def test_the_store_is_unavailable(lake: Lake, validate: Validate, away: Callable[[Server], None]) -> None:
    before = left(lake)
    assert lake.store_server is not None
    away(lake.store_server)
    began = time.monotonic()
    code, results = validate()
    assert time.monotonic() - began < 4 * CHECK_SECONDS
    assert (code, failures(results)) == (1, {"store_takes_objects", "store_clock_agrees"})
    assert "S3__ENDPOINT" in results["store_takes_objects"]["remedy"]
    assert {results[name]["detail"] for name in NEEDS_LAKE} == {"because store_takes_objects failed"}
    assert results["catalog_supported"]["status"] == results["engine_starts"]["status"] == "passed"
    lake.store_server.ensure_running()
    assert left(lake) == before
    assert validate()[0] == 0


@pytest.mark.parametrize("away", [Server.stop, Server.freeze])
@pytest.mark.parametrize("kind", [Kind.POSTGRES_MINIO, Kind.REST_MINIO], indirect=True)
def test_the_catalog_is_unavailable(lake: Lake, validate: Validate, away: Callable[[Server], None]) -> None:
    before = left(lake)
    assert lake.catalog_server is not None
    away(lake.catalog_server)
    code, results = validate()
    assert (code, failures(results)) == (1, {"catalog_answers"})
    assert "up" in results["catalog_answers"]["remedy"]
    assert {results[name]["detail"] for name in NEEDS_LAKE} == {"because catalog_answers failed"}
    assert results["store_takes_objects"]["status"] == "passed"
    lake.catalog_server.ensure_running()
    assert left(lake) == before


@ON_MINIO
@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("S3__SECRET_ACCESS_KEY", "not-the-secret-key", "S3__SECRET_ACCESS_KEY"),
        ("S3__ACCESS_KEY_ID", "nobodys-key", "S3__ACCESS_KEY_ID"),
        ("WAREHOUSE", "s3://no-such-bucket-here/lake", "Create the bucket"),
    ],
)
def test_a_wrong_key_or_bucket_is_reported_with_a_remedy(
    lake: Lake, validate: Validate, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, remedy: str
) -> None:
    monkeypatch.setenv(f"{_PREFIX}{variable}", value)
    code, results = validate()
    assert (code, failures(results)) == (1, {"store_takes_objects"})
    assert remedy in results["store_takes_objects"]["remedy"]
    assert "not-the-secret-key" not in json.dumps(results)


@ON_MINIO
def test_a_wrong_password_fails_the_catalog(lake: Lake, validate: Validate, monkeypatch: pytest.MonkeyPatch) -> None:
    address = lake.environment[f"{_PREFIX}URI"]
    (password,) = [secret for secret in lake.secrets if f":{secret}@" in address]
    monkeypatch.setenv(f"{_PREFIX}URI", address.replace(password, "a-guess-of-mine"))
    code, results = validate()
    assert (code, failures(results)) == (1, {"catalog_answers"})
    assert "password authentication failed" in results["catalog_answers"]["detail"]
    assert "a-guess-of-mine" not in json.dumps(results)


@ON_REST
def test_a_warehouse_known_only_to_the_catalog(lake: Lake, validate: Validate, monkeypatch: pytest.MonkeyPatch) -> None:
    before = left(lake)
    monkeypatch.delenv(f"{_PREFIX}WAREHOUSE")
    code, results = validate()
    assert (code, failures(results)) == (0, set())
    assert results["store_takes_objects"]["status"] == "skipped"
    assert results["lake_drops"]["status"] == "passed"
    monkeypatch.setenv(f"{_PREFIX}WAREHOUSE", lake.warehouse)
    assert left(lake) == before


@pytest.mark.parametrize("kind", [Kind.POSTGRES_MINIO, Kind.REST_MINIO], indirect=True)
@pytest.mark.parametrize("taken", ["store_server", "catalog_server"])
def test_a_server_fails_during_the_checks(lake: Lake, taken: str) -> None:
    before = left(lake)
    trial = new_trial(lake.settings)
    results = run_checks(trial)
    assert next(result for result in results if result.name == "lake_commits").status is Status.PASSED
    server: Server = getattr(lake, taken)
    server.stop()
    rest = {result.name: result for result in results}
    assert rest["lake_drops"].status is Status.FAILED
    assert rest["engine_reads_lake"].status is (Status.FAILED if taken == "store_server" else Status.PASSED)
    assert all(result.seconds < LIMITS[result.name] + 1 for result in rest.values())
    server.ensure_running()
    # the objects that could not be deleted are deleted now, as the next validation does with old ones
    trial.probe.close()
    assert left(lake) == before


@pytest.mark.parametrize("kind", [Kind.SQLITE_FOLDER], indirect=True)
def test_dagster_on_postgres(
    lake: Lake,
    postgres: Postgres,
    dagster_environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    names = ("dagster_storage_answers", "dagster_daemon_beats")
    checks = [check for check in CHECKS if check.name in names]
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    storage, daemon = run_checks(new_trial(lake.settings), checks)
    assert (storage.status, daemon.status) == (Status.FAILED, Status.SKIPPED)
    assert "DAGSTER_HOME" in storage.remedy

    for name, value in dagster_environment.items():
        monkeypatch.setenv(name, value)
    storage, daemon = run_checks(new_trial(lake.settings), checks)
    assert (storage.status, daemon.status) == (Status.PASSED, Status.FAILED)
    assert "Postgres has" in storage.detail
    assert "dagster-daemon" in daemon.remedy

    postgres.freeze()
    storage, daemon = run_checks(new_trial(lake.settings), checks)
    postgres.ensure_running()
    assert (storage.status, daemon.status) == (Status.FAILED, Status.SKIPPED)
    assert storage.seconds < CHECK_SECONDS + 1
    assert postgres.dagster_password not in str(storage)
