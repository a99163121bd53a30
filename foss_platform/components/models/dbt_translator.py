"""Translates dbt's nodes into Dagster's assets: keys, groups, kinds, freshness, automation.

Groups are pipelines, so that one pipeline among many can be found. Layers (silver, gold) are kinds.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject

from foss_platform.components.rest_feed import SHARED_TAG
from foss_platform.settings import Settings, Switch
from foss_platform.transform.plan.pipelines import Division, divide_by_pipeline
from foss_platform.transform.supported.supported_dbt import Subset

#: The group of models that several pipelines feed, and the group of the build `no_pipeline`.
SHARED_GROUP, NO_PIPELINE_GROUP = "shared", "no_pipeline"


class LakeTranslator(DagsterDbtTranslator):
    """Asset keys are `[namespace, table]`, also for sources, so that feeds and models form one graph."""

    def __init__(self, settings: Settings, subset: Subset) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_asset_checks=True, enable_code_references=False))
        self._platform_settings = settings
        self._subset = subset
        self._divided: tuple[Mapping[str, Any], Division] | None = None

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Return the namespace and the table name."""
        name = dbt_resource_props.get("identifier") or dbt_resource_props.get("alias") or dbt_resource_props["name"]
        return dg.AssetKey([dbt_resource_props["schema"], name])

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Return the description in the model's page. The SQL is a link away."""
        return str(dbt_resource_props["description"]).strip()

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """Add group, kinds, freshness, automation, the Iceberg table's name and the SQL file to the spec."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        if unique_id.startswith("source."):
            return spec
        node, division = manifest["nodes"][unique_id], self._division(manifest)
        automatic = self._platform_settings.automation is Switch.ON
        spec = spec.replace_attributes(
            group_name=_group(division.builder(unique_id)),
            # Dagster allows at most three kinds
            kinds={"iceberg", "dbt", "seed" if unique_id.startswith("seed.") else str(node["schema"])},
            # a node that is not built gets no condition, because automation would request it after each poll
            automation_condition=catch_up() if automatic and not self._subset.reason(unique_id) else None,
            freshness_policy=freshness(manifest, unique_id),
        )
        file = self._platform_settings.dbt_project / node["original_file_path"]
        metadata = {
            # dbt-duckdb reports its own database as the storage, so overwrite that
            "dagster/table_name": ".".join(spec.key.path),
            "dagster/storage_kind": "iceberg",
            "dagster/code_references": dg.CodeReferencesMetadataValue(
                code_references=[dg.LocalFileCodeReference(file_path=str(file), line_number=1, label=file.name)]
            ),
        }
        shared = {SHARED_TAG: "true"} if division.is_shared(unique_id) else {}
        return spec.merge_attributes(metadata=metadata, tags=shared)

    def _division(self, manifest: Mapping[str, Any]) -> Division:
        if self._divided is None or self._divided[0] is not manifest:
            self._divided = manifest, divide_by_pipeline(manifest)
        return self._divided[1]


def _group(builder: tuple[str, ...]) -> str:
    if len(builder) == 1:
        return re.sub(r"\W", "_", builder[0], flags=re.ASCII)
    return SHARED_GROUP if builder else NO_PIPELINE_GROUP


def freshness(manifest: Mapping[str, Any], unique_id: str) -> dg.FreshnessPolicy | None:
    """Gold that is not rebuilt in time is stale. The limit is the model's `meta.foss.fresh_within_minutes`."""
    minutes = foss_meta(manifest, unique_id).get("fresh_within_minutes")
    if minutes is None:
        return None
    return dg.FreshnessPolicy.time_window(
        fail_window=timedelta(minutes=minutes), warn_window=timedelta(minutes=minutes / 2)
    )


def foss_meta(manifest: Mapping[str, Any], unique_id: str) -> Mapping[str, Any]:
    """Return a node's `meta.foss`."""
    meta: Mapping[str, Any] = manifest["nodes"][unique_id]["config"].get("meta", {}).get("foss", {})
    return meta


def catch_up() -> dg.AutomationCondition[Any]:
    """Return the condition for building a model: a source is newer and sound, and no run is about to build the model.

    Models of one pipeline are built by that pipeline's own run. Automation skips a model while the model or its sources
    are in progress, so automation builds the model only after that run failed. A model that several pipelines feed is
    always built by automation. A source whose blocking check failed prevents the build. A seed without events does not
    prevent it, because the model's run builds missing seeds.
    """
    broken = dg.AutomationCondition.any_deps_match(
        dg.AutomationCondition.any_checks_match(dg.AutomationCondition.check_failed(), blocking_only=True)
    )
    missing = dg.AutomationCondition.any_deps_missing()
    eager = dg.AutomationCondition.eager().replace(missing, missing.ignore(dg.AssetSelection.kind("seed")))
    return (eager & ~broken).with_label("catch_up")
