"""The builds of a dbt project: one for each pipeline, and one for each set of pipelines that feeds shared models.

A build is one multi-asset with a pool of its own, so a pipeline never waits for another pipeline's models.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets

from foss_platform.components.models.dbt_translator import LakeTranslator
from foss_platform.settings import Settings
from foss_platform.transform.plan.pipelines import Division, divide_by_pipeline
from foss_platform.transform.project.manifest import manifest_of, read_subset
from foss_platform.transform.project.parsed import ParsedProject
from foss_platform.transform.supported.supported_dbt import Subset

UNIQUE_ID = "dagster_dbt/unique_id"
_LONGEST_NAME = 100


@dataclass(frozen=True)
class Build:
    """Nodes that are built together.

    Attributes
    ----------
    name
        The name of the step and of its pool.
    keys
        For each model and seed: its asset.
    """

    name: str
    specs: tuple[dg.AssetSpec, ...]
    check_specs: tuple[dg.AssetCheckSpec, ...]
    keys: Mapping[str, dg.AssetKey]


@dataclass(frozen=True)
class Project:
    """A dbt project as Dagster sees it.

    Attributes
    ----------
    subset
        The part of the project that is built.
    keys
        For each model and seed: its asset.
    checks
        For each dbt test: its check.
    """

    manifest: Mapping[str, Any]
    subset: Subset
    division: Division
    builds: tuple[Build, ...]
    keys: Mapping[str, dg.AssetKey]
    checks: Mapping[str, dg.AssetCheckKey]


def dbt_project(settings: Settings, parsed: ParsedProject) -> Project:
    """Divide the models, seeds and tests of a parsed project into builds."""
    manifest = manifest_of(parsed)
    subset = read_subset(parsed, manifest)
    division = divide_by_pipeline(manifest)
    if not division.users:
        # dbt would print that its selection of nodes is empty
        return Project(manifest, subset, division, (), {}, {})

    # this function is never run: decorating it is Dagster's public way from a manifest to specs of assets and checks
    @dbt_assets(manifest=manifest, dagster_dbt_translator=LakeTranslator(settings, subset), name="dbt_nodes")
    def nodes() -> Any:
        yield from ()

    specs: dict[tuple[str, ...], dict[str, dg.AssetSpec]] = {}
    for spec in nodes.specs:
        unique_id = str(spec.metadata[UNIQUE_ID])
        specs.setdefault(division.builder(unique_id), {})[unique_id] = spec
    builds = []
    for builder, chosen in sorted(specs.items()):
        keys = {unique_id: spec.key for unique_id, spec in chosen.items()}
        checks = tuple(check for check in nodes.check_specs if check.asset_key in keys.values())
        builds.append(Build(_name(builder), tuple(chosen.values()), checks, keys))
    return Project(
        manifest,
        subset,
        division,
        tuple(builds),
        {unique_id: key for build in builds for unique_id, key in build.keys.items()},
        {str(check.metadata[UNIQUE_ID]): check.key for check in nodes.check_specs},
    )


def _name(builder: tuple[str, ...]) -> str:
    # a pipeline's name contains no double underscore, so the name of another build cannot equal a pipeline's
    name = f"dbt_{builder[0]}" if len(builder) == 1 else f"dbt__{'__'.join(builder) or 'no_pipeline'}"
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]}_{sha256(name.encode()).hexdigest()[:8]}"
    return re.sub(r"\W", "_", name, flags=re.ASCII)
