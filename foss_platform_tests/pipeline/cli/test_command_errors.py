"""Messages of the commands if a service is unreachable, the home is read-only, or a poll failed."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.cli.command_line import Foss, foss_in
from foss_platform_tests.repository import PROJECT_ROOT

PIPELINE = "stavanger_parking"
EXCERPT = PROJECT_ROOT / "foss_platform" / "defs" / PIPELINE / "excerpt.csv"
#: No server listens on this address.
_NOWHERE = "http://127.0.0.1:9"
_RUN = f"""
import sys
from foss_platform.cli.main import run
sys.argv = ["foss", "run", "{PIPELINE}"]
try:
    run()
finally:
    print(sorted({{"dagster", "dbt"}} & set(sys.modules)))
"""


@pytest.fixture
def foss(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], parsed_settings: Settings) -> Foss:
    """Call `foss` with these arguments in this process on a new home. Returns exit code, output and messages."""
    return foss_in(parsed_settings.home, monkeypatch, capfd)


@pytest.fixture
def failed_once(foss: Foss, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lake whose only poll failed."""
    monkeypatch.setenv("STAVANGER_PARKING_URL", _NOWHERE)
    code, _, err = foss("run", PIPELINE)
    assert (code, "connection refused" in err) == (1, True)


@pytest.fixture
def read_only(failed_once: None, parsed_settings: Settings) -> Iterator[None]:
    """Make the home read-only: by a read-only mount for root, by permissions for other users."""
    home = str(parsed_settings.home)
    if os.geteuid():
        subprocess.run(["chmod", "-R", "a-w", home], check=True)
        yield
        subprocess.run(["chmod", "-R", "u+w", home], check=True)
        return
    for options in (["--bind", home], ["-o", "remount,ro,bind"]):
        done = subprocess.run(["mount", *options, home], capture_output=True, text=True, timeout=10, check=False)
        if done.returncode:
            pytest.skip(f"root may write all, and nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", home], timeout=10, check=True)


def test_unreachable_catalog_is_reported_before_dagster_and_dbt_load(tmp_path: Path) -> None:
    away = {"PYICEBERG_CATALOG__LAKE__URI": _NOWHERE, "FOSS_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", _RUN],
        env={**os.environ, **away},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (1, "[]")
    assert "The Iceberg REST catalog did not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_status_counts_checks_skipped_by_a_failed_poll(
    failed_once: None, foss: Foss, parsed_settings: Settings
) -> None:
    code, out, _ = foss("status")
    assert (code, "│ failed │" in out) == (0, True)
    found = re.search(r"(\d+) of (\d+) passed, (\d+) not judged; the run failed", out)
    assert found is not None
    passed, planned, missing = map(int, found.groups())
    assert planned > 20
    assert passed + missing == planned
    assert passed == 1

    # and if Dagster does not know
    runs = parsed_settings.dagster_home / "history" / "runs.db"
    runs.unlink()
    runs.mkdir()
    code, out, err = foss("status")
    assert (code, out) == (1, "")
    assert "Dagster's storage" in err
    assert "cannot be opened: OperationalError: " in err
    assert len(err.splitlines()) == 1


def test_a_home_that_cannot_be_written(read_only: None, foss: Foss, parsed_settings: Settings) -> None:
    code, out, err = foss("run", PIPELINE)
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"error: {parsed_settings.home}\S* cannot be written\. Check its owner .*\n", err)


def test_status_reads_a_home_that_cannot_be_written(read_only: None, foss: Foss) -> None:
    code, out, err = foss("status")
    assert (code, err, "│ failed │" in out) == (0, "", True)
    assert re.search(r"1 of (\d\d) passed, (\d+) not judged; the run failed", out)


def test_status_creates_nothing(foss: Foss, parsed_settings: Settings) -> None:
    code, out, _ = foss("status")
    assert code == 2
    open_catalog(parsed_settings)
    before = set(parsed_settings.home.rglob("*"))
    code, out, _ = foss("status")
    assert (code, "never" in out) == (0, True)
    assert set(parsed_settings.home.rglob("*")) == before


def test_status_of_a_lake_without_dagster_creates_no_instance(foss: Foss, parsed_settings: Settings) -> None:
    code, _, _ = foss("replay", PIPELINE, str(EXCERPT), "--bronze-only")
    assert code == 0
    code, out, _ = foss("status")
    assert (code, "no run yet" in out) == (0, True)
    assert not parsed_settings.dagster_home.exists()
