"""Chooses the dbt models of a run, for `foss run`, `replay` and `rebuild`. Imports neither Dagster nor dbt."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from foss_platform.cli.shared.pages import feeds, find_feed
from foss_platform.errors import ConfigurationError
from foss_platform.lake.table.names import TableName
from foss_platform.settings import Settings

if TYPE_CHECKING:
    from foss_platform.transform.plan.pipelines import Division
    from foss_platform.transform.project.parsed import ParsedProject


@dataclass(frozen=True)
class Models:
    """Models and seeds to build.

    Attributes
    ----------
    tables
        Their tables.
    waiting
        For each model that cannot be built yet: the missing table that it reads. The table belongs to another pipeline,
        or to a pipeline whose page is broken.
    notices
        Differences from dbt's build, and the nodes that are held back.
    problem
        Why the dbt project does not parse. Empty if it parses.
    """

    tables: tuple[TableName, ...]
    waiting: Mapping[TableName, TableName]
    notices: tuple[str, ...]
    problem: str = ""


def fed_models(settings: Settings, pipeline: str) -> Models:
    """Return the models that a pipeline feeds, and the seeds that they read.

    Raises
    ------
    ParseError
        If the dbt project does not parse and has never been parsed in this home.
    """
    from foss_platform.transform.plan.pipelines import divide_by_pipeline
    from foss_platform.transform.project.manifest import manifest_of
    from foss_platform.transform.project.parsed import prepare_project

    project = prepare_project(settings)
    manifest = manifest_of(project)
    division = divide_by_pipeline(manifest)
    return _chosen(settings, project, manifest, division, division.fed_by(pipeline))


def named_models(settings: Settings, name: str | None) -> Models:
    """Return the models of a pipeline, or a model with all models that read it. Without a name: all models.

    Raises
    ------
    ConfigurationError
        If the name is neither a pipeline nor a model, or if the dbt project has never been parsed in this home.
    """
    from foss_platform.transform.plan.pipelines import divide_by_pipeline, named, with_readers
    from foss_platform.transform.project.manifest import manifest_of
    from foss_platform.transform.project.parsed import prepare_project

    project = prepare_project(settings)
    manifest = manifest_of(project)
    division = divide_by_pipeline(manifest)
    if name is None:
        return _chosen(settings, project, manifest, division, division.users.keys())
    fed = division.fed_by(name)
    if not fed and name not in feeds():
        model = named(manifest, division, name)
        if model is None:
            raise _unknown(name)
        fed = with_readers(manifest, division, model)
    return _chosen(settings, project, manifest, division, fed)


def _unknown(name: str) -> ConfigurationError:
    try:
        find_feed(name)
    except ConfigurationError as error:
        return ConfigurationError(f"{error.problem} There is no model of this name either.", error.remedy)
    raise AssertionError(name)


def _chosen(
    settings: Settings,
    project: "ParsedProject",
    manifest: Mapping[str, Any],
    division: "Division",
    nodes: Collection[str],
) -> Models:
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.lake.table.tables import find_table
    from foss_platform.transform.plan.missing_sources import unavailable_sources
    from foss_platform.transform.project.manifest import read_subset
    from foss_platform.transform.run_positions import is_ephemeral, is_source, table_of, upstream_nodes

    catalog = open_catalog(settings)
    chosen = {unique_id for unique_id in nodes if not is_ephemeral(manifest["nodes"][unique_id])}
    upstream_tables = {table_of(node) for unique_id in chosen for _, node in upstream_nodes(manifest, unique_id)}
    unavailable = unavailable_sources(settings, catalog, upstream_tables)
    waiting: dict[str, TableName] = {}
    found = True
    while found:
        # models that read a waiting model must wait, too, so repeat until no further model waits
        found = False
        for unique_id in sorted(chosen - waiting.keys()):
            for upstream, node in upstream_nodes(manifest, unique_id):
                if is_source(node):
                    may_lack = table_of(node) in unavailable
                elif upstream in chosen:
                    may_lack = upstream in waiting
                else:
                    # the upstream models of one pipeline and seeds are built before their readers. Only a shared model
                    # may lack a table of another pipeline
                    may_lack = division.is_shared(unique_id)
                if may_lack and find_table(catalog, table_of(node)) is None:
                    waiting[unique_id], found = table_of(node), True
                    break
    subset = read_subset(project, manifest)
    remarks = (*subset.notices, *subset.held_back.values())
    tables = [table_of(manifest["nodes"][unique_id]) for unique_id in sorted(chosen - waiting.keys())]
    return Models(
        tuple(tables),
        {table_of(manifest["nodes"][unique_id]): lacking for unique_id, lacking in waiting.items()},
        tuple(str(remark) for remark in remarks if remark.unique_id in chosen),
        "" if project.problem is None else f"{project.problem} The version that parsed last was built.",
    )
