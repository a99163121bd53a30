"""Committing the rows of a derived table: as an increment that is merged, or as the whole content.

This module commits rows from DuckDB together with the positions up to which the sources were read. See
`transform` for the SQL that computes the rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import duckdb
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.errors import TransientError
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.commit.create_filled import create_filled
from foss_platform.lake.files.data_files import EVERY_ROW, Slices
from foss_platform.lake.snapshots.lineage import holds_rows_of
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import TablePolicy
from foss_platform.lake.table.positions import position_keys
from foss_platform.lake.table.quoting import quote_name
from foss_platform.lake.table.tables import TableSpec, load_table

_BATCH_ROWS = 122_880


@dataclass(frozen=True)
class Merge:
    """How the rows of an increment are merged with the existing rows.

    Attributes
    ----------
    unique_key
        An incoming row replaces the existing row with the same key.
    prune_by
        A `timestamptz` or `date` column. Only files with rows of the days that occur in the increment are rewritten. If
        None, all files are rewritten.
    delete_when
        A SQL condition on the incoming row. It is true if the row's key no longer exists.
    """

    unique_key: tuple[str, ...]
    prune_by: str | None = None
    delete_when: str | None = None


@dataclass(frozen=True)
class DerivedRows:
    """Rows in DuckDB that become the content of a table, or are merged into it.

    Attributes
    ----------
    incoming
        The name of the DuckDB relation with the rows, quoted.
    merge
        How the rows are merged. None if they are the whole content.
    base_snapshot
        The table's current snapshot when the rows were computed. None if the table had no snapshot.
    """

    incoming: str
    merge: Merge | None
    base_snapshot: int | None
    properties: Mapping[str, str] = field(default_factory=dict)
    summary: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DerivedLayout:
    """What a model declares about its table: the key of a row, the time column, and the maintenance policy."""

    key: tuple[str, ...] = ()
    cluster_by: str | None = None
    policy: TablePolicy = field(default_factory=TablePolicy)


def derived_spec(
    name: TableName,
    arrow_schema: pa.Schema,
    docs: Mapping[str, str],
    description: str,
    layout: DerivedLayout | None = None,
) -> TableSpec:
    """Return the table specification of a model, with the columns of the engine's result.

    All columns are optional, because an engine's result does not say whether nulls are possible.
    """
    layout = layout or DerivedLayout()
    schema = documented(arrow_schema, docs)
    return TableSpec(name, schema, description, layout.key, layout.cluster_by, layout.policy)


def documented(arrow_schema: pa.Schema, docs: Mapping[str, str]) -> pa.Schema:
    """Return the Arrow schema with docs in each field's metadata, where PyIceberg expects them."""
    return pa.schema(
        [f.with_metadata({"doc": docs[f.name]}) if docs.get(f.name) else f.remove_metadata() for f in arrow_schema]
    )


def adapt_columns(catalog: Catalog, name: TableName, table: Table, arrow_schema: pa.Schema) -> Table:
    """Change the table's columns to the columns of a result that is about to replace all rows.

    This is a separate commit, which also removes the positions. If the replacement then fails, the next run rebuilds
    the table instead of merging into columns that were never filled.
    """
    standing = {field.name: _plain(field.type) for field in table.schema().as_arrow()}
    wanted = {field.name: _plain(field.type) for field in arrow_schema}
    if standing == wanted:
        return table
    gone = [column for column, type_ in standing.items() if wanted.get(column) != type_]
    forgotten = position_keys(table)
    with lake_failures(), table.transaction() as transaction:
        if forgotten:
            transaction.remove_properties(*forgotten)
        if gone:
            with transaction.update_schema(allow_incompatible_changes=True) as update:
                for column in gone:
                    update.delete_column(column)
        with transaction.update_schema() as update:
            update.union_by_name(arrow_schema)
    return load_table(catalog, name)


def _plain(type_: pa.DataType) -> pa.DataType:
    """Return the type without details that Iceberg does not store: the size of Arrow's offsets and the zone's name."""
    if pa.types.is_timestamp(type_) and type_.tz is not None:
        return pa.timestamp(type_.unit, "UTC")
    if pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return pa.string()
    return pa.binary() if pa.types.is_large_binary(type_) else type_


def commit_derived(
    catalog: Catalog, name: TableName, connection: duckdb.DuckDBPyConnection, rows: DerivedRows
) -> Table:
    """Commit the rows and the properties in one snapshot. Without rows, commit only the properties.

    Raises
    ------
    TransientError
        If another run has changed the table since the rows were computed. Nothing is written then.
    """
    merge = rows.merge
    change = _whole(connection, rows) if merge is None else _merged(connection, name, rows, merge)

    def plan(table: Table) -> Change:
        if not holds_rows_of(table, rows.base_snapshot):
            raise TransientError(
                f"Another run changed {name} while this run was building it. The rows of this run were dropped.",
                "Run again. Only one run at a time should build a table.",
            )
        return change()

    return commit(catalog, name, plan)


def create_derived(
    catalog: Catalog, spec: TableSpec, connection: duckdb.DuckDBPyConnection, rows: DerivedRows
) -> Table:
    """Create the table with the rows of its first build.

    Raises
    ------
    TransientError
        If another run has created the table since the rows were computed.
    """
    return create_filled(catalog, spec, _whole(connection, rows))


def _whole(connection: duckdb.DuckDBPyConnection, rows: DerivedRows) -> Callable[[], Change]:
    def change() -> Change:
        reader = connection.execute(f"select * from {rows.incoming}").to_arrow_reader(_BATCH_ROWS)
        return Change(reader, EVERY_ROW, properties=rows.properties, summary=rows.summary)

    return change


def _merged(
    connection: duckdb.DuckDBPyConnection, name: TableName, rows: DerivedRows, merge: Merge
) -> Callable[[], Change]:
    """Return the smallest change that merges the rows: none, an append, or a replacement of the incoming rows' days."""
    incoming, target = rows.incoming, f"{quote_name(name.namespace)}.{quote_name(name.name)}"
    same_key = " and ".join(f"standing.{quote_name(k)} = incoming.{quote_name(k)}" for k in merge.unique_key)
    kept = f"not coalesce({merge.delete_when}, false)" if merge.delete_when else "true"
    spans = _day_spans(connection, incoming, merge.prune_by)
    inside = _inside(merge.prune_by, spans)
    described = connection.execute(f"select * from {incoming} limit 0").description or []
    columns = ", ".join(quote_name(column[0]) for column in described)
    standing = f"select {columns} from {target} as standing where {inside}"
    matched = f"select 1 from ({standing}) as standing join {incoming} as incoming on {same_key}"
    brought = f"select {columns} from {incoming} as incoming where {kept}"
    gone = f"select * from {incoming} where not ({kept})"
    removed = f"select 1 from ({standing}) as standing join ({gone}) as incoming on {same_key}"
    news = f"select 1 from ({brought} except {standing}) union all {removed}"

    def change() -> Change:
        if connection.execute(f"{news} limit 1").fetchone() is None:
            return Change(properties=rows.properties)
        if connection.execute(f"{matched} limit 1").fetchone() is None:
            reader = connection.execute(brought).to_arrow_reader(_BATCH_ROWS)
            return Change(reader, properties=rows.properties, summary=rows.summary)
        untouched = f"{standing} and not exists (select 1 from {incoming} as incoming where {same_key})"
        order = f"order by {quote_name(merge.prune_by)}" if merge.prune_by else ""
        query = f"select * from ({untouched} union all {brought}) {order}"
        reader = connection.execute(query).to_arrow_reader(_BATCH_ROWS)
        replaced = Slices(merge.prune_by, spans) if merge.prune_by else EVERY_ROW
        return Change(reader, replaced, properties=rows.properties, summary=rows.summary)

    return change


def _day_spans(connection: duckdb.DuckDBPyConnection, incoming: str, column: str | None) -> tuple[tuple[str, str], ...]:
    """Return the days of the incoming rows as constants, so that files are skipped. Adjacent days are joined."""
    if column is None:
        return ()
    name = quote_name(column)
    query = (
        f"select distinct cast({name} as date), typeof({name}) = 'DATE' "
        f"from {incoming} where {name} is not null order by 1"
    )
    rows: list[tuple[date, bool]] = connection.execute(query).fetchall()
    spans: list[tuple[date, date]] = []
    for day, _ in rows:
        start = spans.pop()[0] if spans and spans[-1][1] == day else day
        spans.append((start, day + timedelta(days=1)))
    suffix = "" if rows and rows[0][1] else "T00:00:00+00:00"
    return tuple((f"{start}{suffix}", f"{before}{suffix}") for start, before in spans)


def _inside(column: str | None, spans: tuple[tuple[str, str], ...]) -> str:
    if column is None:
        return "true"
    name = quote_name(column)
    tests = [f"({name} >= '{start}' and {name} < '{before}')" for start, before in spans]
    return "(" + " or ".join(tests or ["false"]) + ")"
