"""`DbtModels`: the dbt project's models, seeds and tests as assets and checks of one graph.

It turns dbt's results into Dagster events. See `transform` for running dbt, and `components.models.dbt_translator` for
how a node appears in Dagster.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets
from pyiceberg.catalog import Catalog

from foss_platform.components.models.dbt_checks import model_checks
from foss_platform.components.models.dbt_translator import LakeTranslator, foss_meta
from foss_platform.components.models.project_check import project_check
from foss_platform.components.shared.failures import failure, forbid_retries
from foss_platform.components.shared.loading import Platform, current_platform
from foss_platform.components.shared.plots import LinePlot, plot_metadata
from foss_platform.components.shared.run_executor import run_executor
from foss_platform.components.shared.table_health import look_at
from foss_platform.components.shared.table_preview import table_metadata
from foss_platform.errors import ConfigurationError, FossError, LastingError
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import load_table
from foss_platform.transform.project.manifest import manifest_of, read_subset
from foss_platform.transform.project.parsed import ParsedProject, prepare_project
from foss_platform.transform.results import NodeResult, NodeStatus
from foss_platform.transform.runner import build
from foss_platform.transform.supported.supported_dbt import Subset

_UNIQUE_ID = "dagster_dbt/unique_id"
#: Run tag or op tag that requests a build from scratch.
REBUILD_TAG = "foss/rebuild"


class DbtModels(dg.Component, dg.Model, dg.Resolvable):
    """The whole dbt project, built in process."""

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the assets, the checks of their logic and health, and the jobs that build and rebuild them."""
        platform = current_platform()
        judged = project_check(platform)
        try:
            project = prepare_project(platform.settings)
        except ConfigurationError:
            # the check and `foss check` say why; polls go on
            return judged
        manifest = manifest_of(project)
        assets = dbt_asset(platform, project, manifest)
        build_job = dg.define_asset_job(
            "build",
            selection=dg.AssetSelection.assets(assets),
            description="Update silver and gold from bronze.",
            executor_def=run_executor,
        )
        rebuild_job = dg.define_asset_job(
            "rebuild",
            selection=dg.AssetSelection.assets(assets),
            description="Build silver and gold from scratch from bronze, with the current logic.",
            tags={REBUILD_TAG: "true"},
            executor_def=run_executor,
        )
        checks = model_checks(platform, manifest)
        models = dg.Definitions(assets=[assets], asset_checks=[checks], jobs=[build_job, rebuild_job])
        return dg.Definitions.merge(models, judged)


def dbt_asset(platform: Platform, project: ParsedProject, manifest: Mapping[str, Any]) -> dg.AssetsDefinition:
    """Return the multi-asset of all models and seeds, with dbt's tests as checks."""
    subset = read_subset(project, manifest)

    @dbt_assets(
        manifest=manifest,
        dagster_dbt_translator=LakeTranslator(platform.settings, subset),
        name="dbt_models",
        pool="dbt_models",
    )
    def models(context: dg.AssetExecutionContext) -> Any:
        rebuild = context.run.tags.get(REBUILD_TAG) == "true"
        try:
            yield from _build(context, platform, manifest, subset, full_refresh=rebuild)
        except FossError as error:
            raise failure(context, error) from error

    return models


def _build(
    context: dg.AssetExecutionContext,
    platform: Platform,
    manifest: Mapping[str, Any],
    subset: Subset,
    *,
    full_refresh: bool,
) -> Iterator[Any]:
    assets = {_unique_id(context, key): key for key in context.selected_asset_keys}
    checks = {
        context.assets_def.get_spec_for_check_key(key).metadata[_UNIQUE_ID]: key
        for key in context.selected_asset_check_keys
    }
    catalog = open_catalog(platform.settings)
    failed: list[NodeResult] = []
    names = [".".join(manifest["nodes"][unique_id]["fqn"]) for unique_id in (*assets, *checks)]
    waiting = set(assets)
    for remark in (*subset.notices, *subset.held_back.values()):
        if remark.unique_id in (*assets, *checks):
            context.log.warning(str(remark))
    with closing(build(platform.settings, names, full_refresh=full_refresh)) as results:
        # an incremental build takes seconds: previews and plots wait until gold is committed, to not slow it down
        # a rebuild takes long, so each table is shown as soon as it is built
        for result in results if full_refresh else list(results):
            waiting.discard(result.unique_id)
            if result.unique_id in checks:
                yield _check_result(checks[result.unique_id], result)
            elif result.status is NodeStatus.SUCCESS and result.unique_id in assets:
                try:
                    metadata = _metadata(platform, catalog, manifest, result)
                except FossError as error:
                    # dbt builds the downstream models in any case
                    lasting = isinstance(error, LastingError)
                    failed.append(replace(result, status=NodeStatus.ERROR, message=str(error), is_lasting=lasting))
                else:
                    yield dg.MaterializeResult(asset_key=assets[result.unique_id], metadata=metadata)
            if result.status in (NodeStatus.ERROR, NodeStatus.FAIL):
                failed.append(result)
    if failed:
        if all(result.is_lasting for result in failed):
            forbid_retries(context)
        raise dg.Failure(description="dbt: " + "\n".join(f"{r.unique_id}: {r.message}" for r in failed))
    if waiting:
        raise dg.Failure(description=f"dbt did not build these requested nodes: {', '.join(sorted(waiting))}")


def _unique_id(context: dg.AssetExecutionContext, key: dg.AssetKey) -> str:
    return str(context.assets_def.get_asset_spec(key).metadata[_UNIQUE_ID])


def _check_result(key: dg.AssetCheckKey, result: NodeResult) -> dg.AssetCheckResult:
    warned = result.status is NodeStatus.WARN
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=result.status is NodeStatus.PASS,
        severity=dg.AssetCheckSeverity.WARN if warned else dg.AssetCheckSeverity.ERROR,
        description=f"{result.failures} rows" if result.failures is not None else result.message,
        metadata={"rows_found": result.failures or 0, "seconds": round(result.seconds, 3)},
    )


def _metadata(
    platform: Platform, catalog: Catalog, manifest: Mapping[str, Any], result: NodeResult
) -> Mapping[str, Any]:
    node = manifest["nodes"][result.unique_id]
    name = TableName(node["schema"], node["alias"])
    table = load_table(catalog, name)
    meta = foss_meta(manifest, result.unique_id)
    newest_by = node["config"].get("prune_by")
    metadata: dict[str, Any] = {}
    if "plot" in meta:
        picture = plot_metadata(platform.settings, name, table, LinePlot.model_validate(meta["plot"]))
        if picture is not None:
            metadata["plot"] = picture
    return {
        **metadata,
        **table_metadata(platform.settings, name, table, look_at(table), newest_by=newest_by),
        "engine": platform.settings.engine.value,
        "seconds": round(result.seconds, 3),
    }
