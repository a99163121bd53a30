"""dbt started by hand works on a lake: run, test with unit tests, show and docs generate."""

import os
import subprocess
import sys
from pathlib import Path

from foss_platform.ingest.page.feed import Feed
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import SILVER, Pipeline, made_up_polls
from foss_platform_tests.repository import PROJECT_ROOT
from foss_platform_tests.tables import read


def test_dbt_by_hand(parsed_settings: Settings, feed: Feed, tmp_path: Path) -> None:
    Pipeline(parsed_settings, feed).ingest(made_up_polls(7, 30))
    dbt = Path(sys.executable).with_name("dbt")
    project = PROJECT_ROOT / "dbt_project"
    for command in (
        ("seed",),
        ("run", "--select", "+parking_readings+"),
        ("test", "--select", "parking_readings,test_type:unit"),
        ("show", "--select", "parking_latest"),
        ("docs", "generate"),
    ):
        done = subprocess.run(
            [
                dbt, *command, "--project-dir", project, "--profiles-dir", project,
                "--target-path", tmp_path / "target", "--log-path", tmp_path / "logs", "--no-use-colors",
            ],
            env={**os.environ, "FOSS_HOME": str(parsed_settings.home), "TZ": "Asia/Kathmandu"},
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:]
        if command[0] == "test":
            assert "PASS=1 " in done.stdout
    assert read(parsed_settings, SILVER)
