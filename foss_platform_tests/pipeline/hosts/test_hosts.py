"""The lake's content does not depend on the host's time zone, locale or home folder."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from foss_platform_tests.repository import PROJECT_ROOT

HOSTS = {
    "behind UTC by a half hour": {"TZ": "America/St_Johns"},
    "daylight saving": {"TZ": ":Europe/Oslo", "LC_ALL": "tr_TR.UTF-8", "LANG": "nb_NO.UTF-8"},
    "45 minutes, another calendar, no home": {"TZ": "Asia/Kathmandu", "LC_ALL": "th_TH.UTF-8", "HOME": "/nonexistent"},
}
_FOSS = Path(sys.executable).with_name("foss")


def foss(home: Path, *words: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    own = {name: value for name, value in os.environ.items() if not name.startswith(("FOSS_", "LC_", "LANG"))}
    return subprocess.run(
        [str(_FOSS), *words],
        env={**own, "PYICEBERG_HOME": str(home), **environment, "FOSS_HOME": str(home)},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def content(home: Path, environment: dict[str, str]) -> dict[str, object]:
    """Return the demo's tables as JSON, read by DuckDB in the same environment."""
    asked = {
        # the batch id contains the run id, which differs each time
        "silver": "select * exclude (batch_id) from silver.parking_readings order by all limit 500",
        "latest": "select * from gold.parking_latest order by all",
        "hourly": "select * from gold.parking_hourly order by all",
        "health": "select * from gold.parking_feed_health order by all",
        "count": "select count(*) as n, sum(hash(columns(* exclude (batch_id)))) from silver.parking_readings",
    }
    found: dict[str, object] = {}
    for name, query in asked.items():
        done = foss(
            home / "demo", "sql", query, "--format", "json", environment=environment | {"FOSS_FEED": "recorded"}
        )
        assert done.returncode == 0, done.stderr
        found[name] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def in_utc(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    home = tmp_path_factory.mktemp("utc")
    done = foss(home, "demo", environment={"TZ": "UTC"})
    assert done.returncode == 0, done.stdout + done.stderr
    return content(home, {"TZ": "UTC"})


@pytest.mark.parametrize("environment", HOSTS.values(), ids=HOSTS)
def test_demo_builds_the_same_tables_on_every_host(
    tmp_path: Path, in_utc: dict[str, object], environment: dict[str, str]
) -> None:
    done = foss(tmp_path, "demo", environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert content(tmp_path, environment) == in_utc
    validated = foss(tmp_path / "demo", "validate", environment=environment | {"FOSS_FEED": "recorded"})
    assert validated.returncode == 0, validated.stdout + validated.stderr


def test_demo_works_if_the_zone_is_a_file(tmp_path: Path, in_utc: dict[str, object]) -> None:
    """Set the host's zone by `/etc/localtime`, in a separate mount namespace to leave other processes unaffected."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only root can mount another /etc/localtime")
    zone = Path("/usr/share/zoneinfo/Asia/Kathmandu")
    if not zone.exists() or not Path("/etc/localtime").exists():
        pytest.skip("this machine has no zone files or no /etc/localtime")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOSS_") and name != "TZ"}
    script = f'mount --bind {zone} "$(readlink -f /etc/localtime)" && date +%z && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(_FOSS), "demo"],
        env={**environment, "FOSS_HOME": str(tmp_path), "PYICEBERG_HOME": str(tmp_path)},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.stdout.startswith("+0545"), done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    assert content(tmp_path, {"TZ": "UTC"}) == in_utc
