"""`DbtModels`: the dbt project's models, seeds and tests as assets and checks of one graph.

See `components.models.dbt_builds` for the steps that build them, `components.models.build_step` for the body of a step,
and `components.models.dbt_translator` for how a node appears in Dagster.
"""

from typing import Any, Self

import dagster as dg

from foss_platform.components.models.build_step import build_nodes
from foss_platform.components.models.dbt_builds import Build, Project, dbt_project
from foss_platform.components.models.dbt_checks import model_checks
from foss_platform.components.models.project_check import project_check
from foss_platform.components.shared.failures import failure
from foss_platform.components.shared.loading import Platform, current_platform
from foss_platform.components.shared.run_executor import run_executor
from foss_platform.errors import ConfigurationError, FossError
from foss_platform.ingest.page.operations import DbtModelsPage
from foss_platform.transform.project.parsed import prepare_project

#: Run tag or op tag that requests a build from scratch.
REBUILD_TAG = "foss/rebuild"


class DbtModels(dg.Component):
    """All models, seeds and tests of the dbt project. dbt runs in the process of the run."""

    def __init__(self, page: DbtModelsPage) -> None:
        self.page = page

    @classmethod
    def get_model_cls(cls) -> type[DbtModelsPage]:
        """Return the model of the page's attributes."""
        return DbtModelsPage

    @classmethod
    def load(cls, attributes: Any, context: dg.ComponentLoadContext) -> Self:
        """Create the component from the validated page."""
        return cls(attributes)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the assets, the checks of their logic and health, and the jobs that build and rebuild the assets."""
        platform = current_platform()
        judged = project_check(platform, self.page.owners)
        try:
            parsed = prepare_project(platform.settings)
        except ConfigurationError:
            # return only the check, which shows the reason as `foss check` does, so that feeds are still polled
            return judged
        project = dbt_project(platform.settings, parsed)
        assets = [dbt_asset(platform, project, build) for build in project.builds]
        selection = dg.AssetSelection.assets(*assets)
        build_job = dg.define_asset_job(
            "build",
            selection=selection,
            description="Update silver and gold of all pipelines from bronze.",
            executor_def=run_executor,
        )
        rebuild_job = dg.define_asset_job(
            "rebuild",
            selection=selection,
            description="Build silver and gold of all pipelines from scratch from bronze, with the current logic.",
            tags={REBUILD_TAG: "true"},
            executor_def=run_executor,
        )
        models = dg.Definitions(
            assets=assets,
            asset_checks=model_checks(platform, project),
            jobs=[build_job, rebuild_job] if assets else [],
        )
        return dg.Definitions.merge(models, judged)


def dbt_asset(platform: Platform, project: Project, build: Build) -> dg.AssetsDefinition:
    """Return the multi-asset of one build, with dbt's tests as checks."""

    @dg.multi_asset(
        name=build.name,
        specs=build.specs,
        check_specs=build.check_specs,
        can_subset=True,
        pool=build.name,
    )
    def models(context: dg.AssetExecutionContext) -> Any:
        rebuild = context.run.tags.get(REBUILD_TAG) == "true"
        try:
            yield from build_nodes(context, platform, project, full_refresh=rebuild)
        except FossError as error:
            raise failure(context, error) from error

    return models
