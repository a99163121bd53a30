"""The body of a dbt step: builds the selected nodes in process, and turns dbt's results into Dagster events."""

from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

import dagster as dg
from pyiceberg.table import Table

from foss_platform.components.models.dbt_builds import Project
from foss_platform.components.models.dbt_translator import foss_meta
from foss_platform.components.shared.check_evaluations import evaluation_of
from foss_platform.components.shared.failures import forbid_retries
from foss_platform.components.shared.loading import Platform
from foss_platform.components.shared.plots import LinePlot, plot_metadata
from foss_platform.components.shared.table_health import health_evaluation, look_at
from foss_platform.components.shared.table_preview import table_metadata
from foss_platform.errors import FossError, PermanentError
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import find_tables, load_table
from foss_platform.transform.plan.stale_nodes import attached_tests, stale_nodes
from foss_platform.transform.results import NodeResult, NodeStatus
from foss_platform.transform.run_positions import table_of
from foss_platform.transform.runner import build


def build_nodes(
    context: dg.AssetExecutionContext, platform: Platform, project: Project, *, full_refresh: bool
) -> Iterator[Any]:
    """Build the selected assets and run the selected checks. Yield their events.

    Before the selected assets, stale seeds and models that no pipeline feeds and that these assets read are built.

    Raises
    ------
    dagster.Failure
        If a node failed, or was not built.
    FossError
        If dbt could not run.
    """
    manifest = project.manifest
    ids = {key: unique_id for unique_id, key in project.keys.items()}
    assets = {ids[key] for key in context.selected_asset_keys}
    checks = {unique_id for unique_id, key in project.checks.items() if key in context.selected_asset_check_keys}
    catalog = open_catalog(platform.settings)
    stale = stale_nodes(manifest, project.division, catalog, assets)
    chosen = {*assets, *checks, *stale, *attached_tests(manifest, stale)}
    for remark in (*project.subset.notices, *project.subset.held_back.values()):
        if remark.unique_id in chosen:
            context.log.warning(str(remark))
    failed: list[NodeResult] = []
    waiting = set(assets)
    names = [".".join(manifest["nodes"][unique_id]["fqn"]) for unique_id in sorted(chosen)]
    with closing(build(platform.settings, names, full_refresh=full_refresh)) as results:
        # an incremental build takes seconds: metadata is computed after gold is committed, so as not to delay gold.
        # a rebuild takes long: each table is shown as soon as it is built
        done = results if full_refresh else list(results)
        # after an incremental build, all events show the same state of the lake
        built = () if full_refresh else {table_of(manifest["nodes"][uid]) for uid in project.keys if uid in chosen}
        tables: Mapping[TableName, Table] = {}
        with suppress(FossError):
            # a table that cannot be read is reported below, for its own node
            tables = find_tables(catalog, built)
        for result in done:
            waiting.discard(result.unique_id)
            if result.status in (NodeStatus.ERROR, NodeStatus.FAIL):
                failed.append(result)
            # a test downstream of a failed model is skipped and has no verdict to report
            if result.unique_id in project.checks and result.status is not NodeStatus.SKIPPED:
                verdict = _verdict(project.checks[result.unique_id], result)
                if result.unique_id in checks:
                    yield verdict
                else:
                    context.log_event(evaluation_of(verdict))
            elif result.status is NodeStatus.SUCCESS and result.unique_id in project.keys:
                key = project.keys[result.unique_id]
                try:
                    name = table_of(manifest["nodes"][result.unique_id])
                    table = tables.get(name) or load_table(catalog, name)
                    metadata = _metadata(platform, table, manifest, result)
                except FossError as error:
                    # dbt builds the downstream models in any case, so continue with their results
                    lasting = isinstance(error, PermanentError)
                    failed.append(replace(result, status=NodeStatus.ERROR, message=str(error), is_permanent=lasting))
                    continue
                if result.unique_id in assets:
                    yield dg.MaterializeResult(asset_key=key, metadata=metadata)
                else:
                    # the run does not include the step that checks the health of this table, so check it here
                    context.log_event(dg.AssetMaterialization(key, metadata=metadata))
                    context.log_event(health_evaluation(key, look_at(table)))
    if failed:
        if all(result.is_permanent for result in failed):
            forbid_retries(context)
        raise dg.Failure(description="dbt: " + "\n".join(f"{r.unique_id}: {r.message}" for r in failed))
    if waiting:
        raise dg.Failure(description=f"dbt did not build these requested nodes: {', '.join(sorted(waiting))}")


def _verdict(key: dg.AssetCheckKey, result: NodeResult) -> dg.AssetCheckResult:
    warned = result.status is NodeStatus.WARN
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=result.status is NodeStatus.PASS,
        severity=dg.AssetCheckSeverity.WARN if warned else dg.AssetCheckSeverity.ERROR,
        description=f"{result.failures} rows" if result.failures is not None else result.message,
        metadata={"rows_found": result.failures or 0, "seconds": round(result.seconds, 3)},
    )


def _metadata(platform: Platform, table: Table, manifest: Mapping[str, Any], result: NodeResult) -> Mapping[str, Any]:
    node = manifest["nodes"][result.unique_id]
    name = table_of(node)
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
