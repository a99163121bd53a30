"""`foss validate` without servers: the lake in a folder, what breaks there, and what is left behind."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from foss_platform.cli.main import run
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table
from foss_platform.settings import Settings
from foss_platform.validation.probe import probe_rows
from foss_platform.validation.results import Check, Finding, Service, Status, passed
from foss_platform.validation.suite import CHECKS, validate, works
from foss_platform.validation.trial import new_trial
from foss_platform_tests.repository import PROJECT_ROOT

FRAME = {"name", "service", "status", "seconds", "detail", "remedy", "blocks"}
NAME = TableName("bronze", "readings")

Foss = Callable[..., tuple[int, str, str]]


@pytest.fixture
def foss(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Foss:
    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["foss", "validate", *words])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    return call


@pytest.fixture
def lake(settings: Settings) -> Settings:
    """A lake with one table, in the home that the environment names."""
    catalog = open_catalog(settings)
    ensure_table(catalog, TableSpec(NAME, probe_rows().schema))
    commit(catalog, NAME, lambda _: Change(probe_rows()))
    return settings


def files_of(settings: Settings) -> list[Path]:
    return sorted(settings.home.rglob("*"))


def by_name(settings: Settings) -> dict[str, Any]:
    return {result.name: result for result in validate(new_trial(settings))}


def test_validation_without_a_lake_creates_nothing(foss: Foss, settings: Settings) -> None:
    code, out, _ = foss("--json")
    results = {result["name"]: result for result in json.loads(out)["results"]}
    assert code == 0
    assert "there is no lake at" in results["catalog_answers"]["detail"]
    assert results["lake_commits"]["detail"] == results["catalog_answers"]["detail"]
    assert {result["status"] for result in results.values()} == {"passed", "skipped"}
    assert not settings.home.exists()


def test_the_guarantee_of_a_sql_catalog_is_told(lake: Settings) -> None:
    found = by_name(lake)["polls_are_atomic"]
    assert (found.status, found.detail) == (
        Status.PASSED,
        "all tables of a poll are committed in one transaction, or none",
    )


def test_a_lake_in_a_folder_passes_and_stays_as_it_was(foss: Foss, lake: Settings) -> None:
    before = files_of(lake)
    code, out, err = foss("--json")
    document = json.loads(out)
    assert (code, document["works"], document["environment"], err) == (0, True, "local", "")
    assert [result["name"] for result in document["results"]] == [check.name for check in CHECKS]
    assert all(result.keys() == FRAME for result in document["results"])
    assert files_of(lake) == before
    assert open_catalog(lake).list_namespaces() == [("bronze",)]


def test_the_table_names_what_failed_and_its_remedy(
    foss: Foss, lake: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("FOSS_DUCKDB_MEMORY_LIMIT", "1KB")
    before = files_of(lake)
    code, out, _ = foss()
    assert code == 1
    assert "✗ failed" in out
    assert "→ Check FOSS_ENGINE" in out
    assert "because engine_starts failed" in out
    assert "1 failed" in out
    assert files_of(lake) == before


def test_one_service_is_checked_with_what_it_needs(foss: Foss, lake: Settings) -> None:
    names = [result["name"] for result in json.loads(foss("--json", "--only", "engine")[1])["results"]]
    assert names == [
        "catalog_answers",
        "store_takes_objects",
        "lake_commits",
        "engine_starts",
        "engine_reads_lake",
        "lake_drops",
    ]
    assert foss("--only", "nothing")[0] == 2


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("FOSS_ENVIRONMENT", "production", "its configuration is incomplete or invalid"),
        ("FOSS_ENVIRONMENT", "prod", "FOSS_ENVIRONMENT"),
        ("FOSS_FEED", "dead", "FOSS_FEED"),
        ("PYICEBERG_CATALOG__LAKE__URI_FILE", "/nowhere", "/nowhere"),
    ],
)
def test_half_a_configuration_is_an_error_before_any_check(
    foss: Foss, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)
    code, out, err = foss()
    assert (code, out) == (2, "")
    assert says in err.replace("\n", " ")
    code, out, same = foss("--json")
    assert (code, same) == (2, err)
    document = json.loads(out)
    assert document["works"] is False
    (result,) = document["results"]
    assert result.keys() == FRAME
    assert (result["name"], result["status"]) == (CHECKS[0].name, "failed")
    assert says in result["detail"]
    assert result["remedy"]


def test_a_lost_catalog_is_a_failure_with_its_remedy(lake: Settings) -> None:
    (lake.home / "catalog.db").unlink()
    results = by_name(lake)
    assert results["catalog_answers"].status is Status.FAILED
    assert "Restore the catalog from a backup" in results["catalog_answers"].remedy
    assert not (lake.home / "catalog.db").exists()


@pytest.mark.parametrize("until", ["lake_commits", "engine_starts"])
def test_interrupted_validation_leaves_nothing(lake: Settings, until: str) -> None:
    before = files_of(lake)
    results = validate(new_trial(lake))
    assert any(result.name == until for result in results)
    assert files_of(lake) != before
    assert isinstance(results, Iterator)
    results.close()  # type: ignore[attr-defined]  # it is a generator
    assert files_of(lake) == before
    assert open_catalog(lake).list_namespaces() == [("bronze",)]


def test_files_of_a_killed_validation_are_deleted_by_the_next(lake: Settings) -> None:
    before = files_of(lake)
    old = TableName("validation_probe_00000001aaaaaaaaaaaa", "probe")
    ensure_table(open_catalog(lake), TableSpec(old, probe_rows().schema))
    commit(open_catalog(lake), old, lambda _: Change(probe_rows()))
    orphan = lake.home / "warehouse" / "validation_probe_00000002bbbbbbbbbbbb" / "object"
    orphan.parent.mkdir()
    orphan.write_bytes(b"x")
    results = by_name(lake)
    assert "2 interrupted" in results["lake_drops"].detail
    assert files_of(lake) == before
    assert open_catalog(lake).list_namespaces() == [("bronze",)]


def test_a_probe_that_is_under_way_is_left_alone(lake: Settings) -> None:
    results = validate(new_trial(lake))
    assert any(result.name == "lake_commits" for result in results)
    assert works(list(validate(new_trial(lake))))
    assert works(list(results))


def test_hanging_or_broken_check_fails_and_the_others_continue(lake: Settings) -> None:
    released = threading.Event()

    def hang(_: Any) -> Finding:
        released.wait(30)
        return passed("")

    def break_(trial: Any) -> Finding:
        raise RuntimeError(f"it was {'sesame'} that it held\nand more")

    made = new_trial(lake)
    trial = type(made)(**{**vars(made), "secrets": frozenset({"sesame"})})
    checks = [
        Check("hangs", Service.STORE, "", hang, "Wake it."),
        Check("needs", Service.STORE, "", lambda _: passed(""), "", needs=("hangs",)),
        Check("breaks", Service.STORE, "", break_, "Mend it."),
        Check("goes_on", Service.STORE, "", lambda _: passed("yes"), ""),
    ]
    found = [(r.name, r.status, r.detail, r.remedy) for r in validate(trial, checks, seconds=0.3)]
    released.set()
    assert found == [
        ("hangs", Status.FAILED, "no answer within 0.3 s", "Wake it."),
        ("needs", Status.SKIPPED, "because hangs failed", ""),
        ("breaks", Status.FAILED, "RuntimeError: it was *** that it held", "Mend it."),
        ("goes_on", Status.PASSED, "yes", ""),
    ]


def test_the_core_of_validation_imports_no_dagster() -> None:
    code = (
        "import sys, foss_platform.validation.suite; sys.exit('dagster' in sys.modules or 'pyiceberg' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, timeout=60, check=False)
    assert done.returncode == 0
