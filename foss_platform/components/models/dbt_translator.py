"""From dbt's nodes to Dagster's assets: keys, groups, kinds, freshness, automation; functions of the manifest."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject

from foss_platform.components.rest_feed import SHARED_TAG
from foss_platform.settings import Settings, Switch


class LakeTranslator(DagsterDbtTranslator):
    """Asset keys are `[namespace, table]`, for sources too, so that one graph holds feeds and models."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_asset_checks=True, enable_code_references=False))
        self._platform_settings = settings

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Namespace and table name."""
        name = dbt_resource_props.get("identifier") or dbt_resource_props.get("alias") or dbt_resource_props["name"]
        return dg.AssetKey([dbt_resource_props["schema"], name])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The namespace."""
        return str(dbt_resource_props["schema"])

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """What the model's page says; the SQL is a link away."""
        return str(dbt_resource_props["description"]).strip()

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """The spec with kinds, freshness, automation, the Iceberg table's name and the SQL file added."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        if unique_id.startswith("source."):
            return spec
        node = manifest["nodes"][unique_id]
        shared = len(feeding_pipelines(manifest, unique_id)) > 1
        spec = spec.replace_attributes(
            kinds={"iceberg", "dbt", *({"seed"} if unique_id.startswith("seed.") else set())},
            automation_condition=catch_up() if self._platform_settings.automation is Switch.ON else None,
            freshness_policy=freshness(manifest, unique_id),
        )
        file = self._platform_settings.dbt_project / node["original_file_path"]
        metadata = {
            # dbt-duckdb calls its own database the storage
            "dagster/table_name": ".".join(spec.key.path),
            "dagster/storage_kind": "iceberg",
            "dagster/code_references": dg.CodeReferencesMetadataValue(
                code_references=[dg.LocalFileCodeReference(file_path=str(file), line_number=1, label=file.name)]
            ),
        }
        return spec.merge_attributes(metadata=metadata, tags={SHARED_TAG: "true"} if shared else {})


def feeding_pipelines(manifest: Mapping[str, Any], unique_id: str) -> set[str]:
    """The bronze tables from which a node is made, directly or not."""
    if unique_id in manifest["sources"]:
        source = manifest["sources"][unique_id]
        return {source["name"]} if source["schema"] == "bronze" else set()
    upstream = manifest["nodes"][unique_id]["depends_on"].get("nodes", [])
    return {name for upstream_id in upstream for name in feeding_pipelines(manifest, upstream_id)}


def freshness(manifest: Mapping[str, Any], unique_id: str) -> dg.FreshnessPolicy | None:
    """Gold that is not rebuilt in time is stale: the limit stands in the model's `meta.foss.fresh_within_minutes`."""
    minutes = foss_meta(manifest, unique_id).get("fresh_within_minutes")
    if minutes is None:
        return None
    return dg.FreshnessPolicy.time_window(
        fail_window=timedelta(minutes=minutes), warn_window=timedelta(minutes=minutes / 2)
    )


def foss_meta(manifest: Mapping[str, Any], unique_id: str) -> Mapping[str, Any]:
    """What a node's `meta.foss` says."""
    meta: Mapping[str, Any] = manifest["nodes"][unique_id]["config"].get("meta", {}).get("foss", {})
    return meta


def catch_up() -> dg.AutomationCondition[Any]:
    """When automation builds a model: what it is made from is newer, sound, and no run is about to build it.

    Models of one pipeline are built by that pipeline's own run; a model that is in progress, or whose
    sources are, is left alone, so automation takes over only after that run failed. A model that several
    pipelines feed is built by automation always. A source whose blocking check failed holds it back.
    """
    broken = dg.AutomationCondition.any_deps_match(
        dg.AutomationCondition.any_checks_match(dg.AutomationCondition.check_failed(), blocking_only=True)
    )
    return (dg.AutomationCondition.eager() & ~broken).with_label("catch_up")
