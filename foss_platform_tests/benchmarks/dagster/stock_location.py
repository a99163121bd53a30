"""The same graph on standard integrations: dbt through `DbtCliResource`, steps through the multiprocess executor.

This separate code location is loaded by the stock benchmark. Environment variables name the copy of the project and
its manifest.
"""

import json
import os
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliResource, dbt_assets

from foss_platform.cli.shared.pages import find_feed
from foss_platform.components.models.dbt_translator import LakeTranslator
from foss_platform.components.rest_feed import feed_asset, feed_job
from foss_platform.components.shared.loading import Platform
from foss_platform.settings import load_settings
from foss_platform.transform.supported.supported_dbt import supported_subset
from foss_platform_tests.benchmarks.ingest.polls import PIPELINE

_PROJECT = Path(os.environ["BENCHMARK_DBT_PROJECT"])
_PLATFORM = Platform(load_settings())
_MANIFEST = json.loads((_PROJECT / "target" / "manifest.json").read_text())


@dbt_assets(
    manifest=_MANIFEST,
    dagster_dbt_translator=LakeTranslator(_PLATFORM.settings, supported_subset(_MANIFEST)),
    name="stock_models",
)
def stock_models(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Any:
    """Run all models through dbt's command line."""
    yield from dbt.cli(["build"], context=context).stream()


_FEED = find_feed(PIPELINE)

defs = dg.Definitions(
    assets=[feed_asset(_FEED, _PLATFORM), stock_models],
    jobs=[dg.define_asset_job(PIPELINE, selection=feed_job(_FEED).selection, executor_def=dg.multiprocess_executor)],
    resources={"dbt": DbtCliResource(project_dir=str(_PROJECT), profiles_dir=str(_PROJECT))},
)
