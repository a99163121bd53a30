"""Builds silver and gold with both engines from the same bronze, in separate namespaces, for a comparison.

The lake's own silver and gold are neither read nor changed. See `lake.compare.parity` for the comparison.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchNamespaceError
from pyiceberg.table import Table

from foss_platform.engine import Engine
from foss_platform.errors import PermanentError
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files.table_files import Storage
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.positions import consumed_positions
from foss_platform.lake.table.tables import load_tables
from foss_platform.lake.trino.connection import refuse_without_trino
from foss_platform.settings import Settings
from foss_platform.transform.environment import variables_set
from foss_platform.transform.project.manifest import read_manifest
from foss_platform.transform.run_positions import is_ephemeral
from foss_platform.transform.runner import build
from foss_platform.transform.supported.supported_dbt import supported_subset

#: The variable with the prefix that the macro `generate_schema_name` adds to a model's namespace.
_PREFIX = "DBT_FOSS_NAMESPACE_PREFIX"


@dataclass(frozen=True)
class Built:
    """A model or seed as built by both engines.

    Attributes
    ----------
    tolerances
        For each column in the model's `meta.foss.parity`: its tolerance. The model also gives a reason for each.
    seconds
        For each engine: the duration of the build.
    """

    name: TableName
    tables: Mapping[Engine, Table]
    tolerances: Mapping[str, float]
    seconds: Mapping[Engine, float]


@contextmanager
def built_by_both(settings: Settings) -> Iterator[list[Built]]:
    """Build all models and seeds twice. The tables exist inside the block and are deleted after it.

    Raises
    ------
    PermanentError
        If a model fails on an engine. The error names the model and the engine.
    """
    refuse_without_trino(settings)
    catalog = open_catalog(settings, create=False)
    _remove(catalog)
    try:
        manifest, seconds = _build(settings, Engine.DUCKDB, {})
        scratch = [_scratch(Engine.DUCKDB, name) for name in _names(manifest)]
        read_to: dict[str, tuple[str, int]] = {}
        for table in load_tables(catalog, scratch).values():
            read_to |= consumed_positions(table)
        # bronze may have grown since DuckDB read it, so Trino must stop where DuckDB did
        _, trino_seconds = _build(settings, Engine.TRINO, {source: number for source, (_, number) in read_to.items()})
        built = load_tables(catalog, [_scratch(engine, name) for name in _names(manifest) for engine in Engine])
        yield [
            Built(
                name,
                {engine: built[_scratch(engine, name)] for engine in Engine},
                _tolerances(node),
                {Engine.DUCKDB: seconds[unique_id], Engine.TRINO: trino_seconds[unique_id]},
            )
            for name, (unique_id, node) in _names(manifest).items()
        ]
    finally:
        _remove(catalog)


def _build(settings: Settings, engine: Engine, stop_at: Mapping[str, int]) -> tuple[dict[str, Any], dict[str, float]]:
    # a home of its own for dbt's files, because otherwise the next ordinary run would parse the project again
    own = settings.model_copy(update={"engine": engine, "home": settings.home / "parity"})
    with variables_set({_PREFIX: _prefix(engine)}):
        manifest = read_manifest(own)
        names = [".".join(node["fqn"]) for _, node in _nodes(manifest)]
        results = list(build(own, names, full_refresh=True, stop_at=stop_at))
    if failed := [result for result in results if result.status.is_failure]:
        said = "; ".join(f"{result.unique_id}: {result.message.splitlines()[0]}" for result in failed if result.message)
        raise PermanentError(f"{engine} cannot build the tables for the comparison: {said}.")
    return manifest, {result.unique_id: result.seconds for result in results}


def _nodes(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    subset = supported_subset(manifest)
    for unique_id, node in manifest["nodes"].items():
        has_table = node["resource_type"] in ("model", "seed") and not is_ephemeral(node)
        if has_table and not subset.reason(unique_id):
            yield unique_id, node


def _names(manifest: Mapping[str, Any]) -> dict[TableName, tuple[str, Any]]:
    """For each table in the lake, return its node."""
    prefix = _prefix(Engine.DUCKDB)
    return {
        TableName(node["schema"].removeprefix(prefix), node["alias"]): (unique_id, node)
        for unique_id, node in _nodes(manifest)
    }


def _tolerances(node: Mapping[str, Any]) -> dict[str, float]:
    said = ((node["config"].get("meta") or {}).get("foss") or {}).get("parity") or {}
    if unfounded := sorted(column for column, rule in said.items() if not str(rule.get("reason", "")).strip()):
        raise PermanentError(f"meta.foss.parity of {node['name']} gives no reason for {', '.join(unfounded)}.")
    return {column: float(rule["tolerance"]) for column, rule in said.items()}


def _prefix(engine: Engine) -> str:
    return f"parity_{engine}_"


def _scratch(engine: Engine, name: TableName) -> TableName:
    return TableName(f"{_prefix(engine)}{name.namespace}", name.name)


def _remove(catalog: Catalog) -> None:
    """Drop the tables and files of this comparison, and of comparisons that were killed."""
    with lake_failures():
        prefixes = tuple(_prefix(engine) for engine in Engine)
        for namespace in [found[0] for found in catalog.list_namespaces() if found[0].startswith(prefixes)]:
            for identifier in catalog.list_tables(namespace):
                storage = Storage(catalog.load_table(identifier))
                catalog.drop_table(identifier)
                for _ in storage.delete_all([file.path for file in storage.list_files()]):
                    pass
            try:
                catalog.drop_namespace(namespace)
            except NoSuchNamespaceError:
                continue
