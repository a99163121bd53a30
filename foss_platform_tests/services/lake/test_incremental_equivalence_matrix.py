"""Model results on all four kinds of lake: dbt on DuckDB builds the rows that the oracle expects."""

import shutil
from pathlib import Path

import pytest

from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.recording.recording import read_recording
from foss_platform.transform.project.folders import target_folder
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import (
    EXCERPT,
    GOLD,
    SILVER,
    Pipeline,
    compare,
    expected,
)
from foss_platform_tests.services.lakes import Lake
from foss_platform_tests.tables import content


@pytest.fixture
def pipeline(parsed_project: Path, lake: Lake, feed: Feed) -> Pipeline:
    shutil.copytree(parsed_project, target_folder(lake.settings))
    return Pipeline(lake.settings, feed)


def test_incremental_builds_equal_the_oracle_and_leave_no_secret(pipeline: Pipeline, lake: Lake) -> None:
    polls = list(read_recording(EXCERPT))
    half = len(polls) // 2
    pipeline.ingest(polls[:half])
    pipeline.build()
    pipeline.ingest(polls[half:])
    pipeline.build(tests=True)
    compare(content(pipeline.settings, (SILVER, *GOLD)), expected(pipeline, polls))
    # including dbt's artefacts and logs, without the data files of the lake itself
    written = [path for path in lake.settings.home.rglob("*") if path.is_file() and "warehouse" not in path.parts]
    assert any(path.name == "manifest.json" for path in written)
    for secret in lake.secrets:
        assert [path for path in written if secret.encode() in path.read_bytes()] == []
