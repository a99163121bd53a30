"""`dagster asset materialize` for one bronze asset, as Dagster's own command line runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from foss_platform.cli.run.feed import EXCERPT
from foss_platform.ingest.recording.feed_server import FeedServer
from foss_platform.ingest.recording.recording import read_recording
from foss_platform.settings import Settings
from foss_platform_tests.repository import PROJECT_ROOT
from foss_platform_tests.tables import read


@pytest.mark.parametrize("asset", ["bronze/stavanger_parking", "bronze/stavanger_parking__rejected"])
def test_one_bronze_asset_is_materialized_alone(parsed_settings: Settings, tmp_path: Path, asset: str) -> None:
    with FeedServer(list(read_recording(EXCERPT))[:1], pace="step") as server:
        done = subprocess.run(
            [sys.executable, "-m", "dagster", "asset", "materialize", "--select", asset]
            + ["-m", "foss_platform.definitions"],
            env={
                **os.environ,
                "FOSS_HOME": str(parsed_settings.home),
                "FOSS_FEED": "recorded",
                "STAVANGER_PARKING_URL": server.url,
                "DAGSTER_HOME": "",
            },
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "RUN_SUCCESS" in done.stderr
    assert read(parsed_settings, "bronze.stavanger_parking")
    assert [row["status"] for row in read(parsed_settings, "ops.polls")] == ["accepted"]
