"""The specification of a table, the default properties of all tables, and functions to create and load tables."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.schema import Schema
from pyiceberg.table import Table

from foss_platform.errors import ConfigurationError
from foss_platform.lake.connect.staged import staging
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.table.names import NAMESPACES, TableName
from foss_platform.lake.table.policy import TablePolicy

KEY_PROPERTY = "foss.key"
CLUSTER_PROPERTY = "foss.cluster-by"

DEFAULT_PROPERTIES = {
    "format-version": "2",
    # Off, because PyIceberg's retry rebases a commit without checking whether its batch has been committed meanwhile.
    # `lake.commit` retries with this check.
    "commit.retry.num-retries": "0",
    "commit.manifest-merge.enabled": "true",
    # Readers open all manifests. A scan of 23 data files took twice as long with 16 manifests.
    "commit.manifest.min-count-to-merge": "5",
    # Off, because a reader may have just opened an older metadata file. Maintenance deletes it after the retention
    # time.
    "write.metadata.delete-after-commit.enabled": "false",
    "write.metadata.previous-versions-max": "20",
    "write.parquet.compression-codec": "zstd",
}


@dataclass(frozen=True)
class TableSpec:
    """The specification of a table.

    Attributes
    ----------
    schema
        The columns, with their docs.
    key
        The columns that identify a row.
    cluster_by
        A time column. Rows of different days are written to different files, so that a query of some days skips the
        other files.
    properties
        Properties beyond the defaults, the key and the clustering.
    """

    name: TableName
    schema: Schema | pa.Schema
    description: str = ""
    key: tuple[str, ...] = ()
    cluster_by: str | None = None
    policy: TablePolicy = field(default_factory=TablePolicy)
    properties: dict[str, str] = field(default_factory=dict)

    def all_properties(self) -> dict[str, str]:
        """Return all properties of a new table."""
        layout = layout_properties(self.key, self.cluster_by)
        comment = {"comment": self.description} if self.description else {}
        return {**DEFAULT_PROPERTIES, **self.policy.properties(), **layout, **comment, **self.properties}


def layout_properties(key: tuple[str, ...], cluster_by: str | None) -> dict[str, str]:
    """Return key and clustering as table properties."""
    return {
        **({KEY_PROPERTY: json.dumps(key)} if key else {}),
        **({CLUSTER_PROPERTY: cluster_by} if cluster_by else {}),
    }


def key_of(table: Table) -> tuple[str, ...]:
    """Return the columns that identify a row. Empty if no key is declared."""
    return tuple(json.loads(table.properties.get(KEY_PROPERTY, "[]")))


def load_table(catalog: Catalog, name: TableName) -> Table:
    """Load a table.

    Raises
    ------
    ConfigurationError
        If the table does not exist.
    """
    with lake_failures():
        try:
            return catalog.load_table(name.identifier)
        except NoSuchTableError:
            raise _missing(name) from None


def _missing(name: TableName) -> ConfigurationError:
    return ConfigurationError(f"The table {name} does not exist yet.", "A first `foss run` of its pipeline creates it.")


def find_table(catalog: Catalog, name: TableName) -> Table | None:
    """Load a table, or return None if it does not exist."""
    with lake_failures():
        try:
            return catalog.load_table(name.identifier)
        except NoSuchTableError:
            return None


def find_tables(catalog: Catalog, names: Iterable[TableName]) -> dict[TableName, Table]:
    """Load those of the tables that exist. A SQL catalog is asked once, so all tables are of the same state of the
    catalog. A REST catalog is asked table by table.
    """
    by_identifier = {name.identifier: name for name in names}
    with lake_failures():
        found = staging(catalog).load_tables(list(by_identifier))
    return {name: found[identifier] for identifier, name in by_identifier.items() if identifier in found}


def load_tables(catalog: Catalog, names: Sequence[TableName]) -> dict[TableName, Table]:
    """As `find_tables`, but all tables must exist.

    Raises
    ------
    ConfigurationError
        If a table does not exist.
    """
    found = find_tables(catalog, names)
    for name in names:
        if name not in found:
            raise _missing(name)
    return found


def list_tables(catalog: Catalog) -> list[TableName]:
    """Return all tables in the platform's namespaces, in the order bronze, silver, gold, ops."""
    with lake_failures():
        present = {namespace[0] for namespace in catalog.list_namespaces()}
        return [
            TableName(namespace, identifier[-1])
            for namespace in NAMESPACES
            if namespace in present
            for identifier in sorted(catalog.list_tables(namespace))
        ]


def ensure_table(catalog: Catalog, spec: TableSpec) -> Table:
    """Load the table of `spec`, or create it. Another process may create it at the same time."""
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
    """Create the namespace unless it exists, even if another process does the same."""
    from sqlalchemy.exc import IntegrityError

    if catalog.namespace_exists(namespace):
        return
    try:
        catalog.create_namespace(namespace)
    except (NamespaceAlreadyExistsError, IntegrityError):
        # If two processes create the namespace at once, PyIceberg's SqlCatalog raises the error of the database.
        if not catalog.namespace_exists(namespace):
            raise
