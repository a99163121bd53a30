"""What a table is: its default properties, and making sure it exists. Not here: its rows and snapshots."""

import json
from dataclasses import dataclass, field

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.schema import Schema
from pyiceberg.table import Table

from foss_platform.errors import ConfigurationError
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.table.names import NAMESPACES, TableName
from foss_platform.lake.table.policy import TablePolicy

KEY_PROPERTY = "foss.key"
CLUSTER_PROPERTY = "foss.cluster-by"

DEFAULT_PROPERTIES = {
    "format-version": "2",
    # PyIceberg's retry rebases a commit without asking whether its batch has meanwhile arrived,
    # so commits are retried by lake.commit, which asks again
    "commit.retry.num-retries": "0",
    "commit.manifest-merge.enabled": "true",
    # every manifest is a file to open for each reader: a scan of 23 data files took twice as long with 16 of them
    "commit.manifest.min-count-to-merge": "5",
    # an older metadata file may be what a reader has just opened; the clean-up removes it when it was spared
    "write.metadata.delete-after-commit.enabled": "false",
    "write.metadata.previous-versions-max": "20",
    "write.parquet.compression-codec": "zstd",
}


@dataclass(frozen=True)
class TableSpec:
    """What a table must be like.

    Attributes
    ----------
    schema
        The columns, with their docs.
    key
        The columns that tell a row from all others.
    cluster_by
        The column of time by whose days files are kept apart, so that a read of some days prunes the rest.
    properties
        Beyond the defaults, the key and the clustering.
    """

    name: TableName
    schema: Schema | pa.Schema
    description: str = ""
    key: tuple[str, ...] = ()
    cluster_by: str | None = None
    policy: TablePolicy = field(default_factory=TablePolicy)
    properties: dict[str, str] = field(default_factory=dict)

    def all_properties(self) -> dict[str, str]:
        """All that the table is made with."""
        layout = layout_properties(self.key, self.cluster_by)
        comment = {"comment": self.description} if self.description else {}
        return {**DEFAULT_PROPERTIES, **self.policy.properties(), **layout, **comment, **self.properties}


def layout_properties(key: tuple[str, ...], cluster_by: str | None) -> dict[str, str]:
    """Key and clustering as table properties."""
    return {
        **({KEY_PROPERTY: json.dumps(key)} if key else {}),
        **({CLUSTER_PROPERTY: cluster_by} if cluster_by else {}),
    }


def key_of(table: Table) -> tuple[str, ...]:
    """The columns that tell a row of the table from all others; empty where nobody said."""
    return tuple(json.loads(table.properties.get(KEY_PROPERTY, "[]")))


def load_table(catalog: Catalog, name: TableName) -> Table:
    """Load a table.

    Raises
    ------
    ConfigurationError
        When there is no such table.
    """
    with lake_failures():
        try:
            return catalog.load_table(name.identifier)
        except NoSuchTableError:
            raise ConfigurationError(
                f"There is no table {name} yet.", "A first `foss run` of its pipeline makes it."
            ) from None


def find_table(catalog: Catalog, name: TableName) -> Table | None:
    """Load a table, or None where it does not exist."""
    with lake_failures():
        try:
            return catalog.load_table(name.identifier)
        except NoSuchTableError:
            return None


def list_tables(catalog: Catalog) -> list[TableName]:
    """All tables of the platform's namespaces, in the order bronze, silver, gold, ops."""
    with lake_failures():
        present = {namespace[0] for namespace in catalog.list_namespaces()}
        return [
            TableName(namespace, identifier[-1])
            for namespace in NAMESPACES
            if namespace in present
            for identifier in sorted(catalog.list_tables(namespace))
        ]


def ensure_table(catalog: Catalog, spec: TableSpec) -> Table:
    """Load the table of `spec`; create it where it does not exist, with what others made meanwhile respected."""
    found = find_table(catalog, spec.name)
    if found is not None:
        return found
    with lake_failures():
        ensure_namespace(catalog, spec.name.namespace)
        try:
            return catalog.create_table(spec.name.identifier, schema=spec.schema, properties=spec.all_properties())
        except TableAlreadyExistsError:
            return catalog.load_table(spec.name.identifier)


def ensure_namespace(catalog: Catalog, namespace: str) -> None:
    """Create the namespace unless it exists, also when another process does the same now."""
    from sqlalchemy.exc import IntegrityError

    if catalog.namespace_exists(namespace):
        return
    try:
        catalog.create_namespace(namespace)
    except (NamespaceAlreadyExistsError, IntegrityError):
        # PyIceberg's SqlCatalog lets the database's own refusal through when two create it at once
        if not catalog.namespace_exists(namespace):
            raise
