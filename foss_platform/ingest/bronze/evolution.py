"""Schema evolution of bronze: applies changes of the contract, or refuses them before anything is written.

An added field becomes a column. Older rows are not rewritten: a view takes the field's values from `_unknown_fields`
(`lake.query.duckdb_views`). Also allowed: int becomes long, float becomes double, required becomes optional.
Changes that would make existing rows unreadable or ambiguous are refused: narrowing, another type, a removed or renamed
field.

Rules of type promotion: Iceberg's specification, "Schema Evolution".
"""

import json
from dataclasses import dataclass, field

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table, Transaction
from pyiceberg.types import IcebergType

from foss_platform.errors import ConfigurationError
from foss_platform.ingest.bronze.schemas import CONTRACT_PROPERTY, ICEBERG_TYPES, bronze_spec, contract_text
from foss_platform.ingest.page.feed import PLATFORM_PREFIX, ContractField, Feed, FieldType
from foss_platform.lake.build.commit_and_compact import alter
from foss_platform.lake.query.duckdb_views import KEPT_PROPERTY
from foss_platform.lake.table.tables import ensure_table

_WIDENING = {(FieldType.INT, FieldType.LONG), (FieldType.FLOAT, FieldType.DOUBLE)}


@dataclass
class ContractChange:
    """The differences between a page's contract and the contract that the table follows.

    Attributes
    ----------
    refused
        Changes that bronze cannot follow, each with its remedy.
    """

    added: list[ContractField] = field(default_factory=list)
    widened: list[ContractField] = field(default_factory=list)
    made_optional: list[ContractField] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def evolve_schema(catalog: Catalog, feed: Feed) -> Table:
    """Return the feed's bronze table with the columns of its contract. Create or change it if necessary.

    Raises
    ------
    ConfigurationError
        If changes are refused. The error names each change and its remedy. Nothing is written then.
    """
    table = ensure_table(catalog, bronze_spec(feed))
    if table.properties.get(CONTRACT_PROPERTY) == contract_text(feed):
        return table
    compare(standing_contract(table), feed.contract, str(feed.bronze))
    return alter(catalog, feed.bronze, lambda standing, transaction: _stage(standing, transaction, feed))


def standing_contract(table: Table) -> dict[str, ContractField]:
    """Return the contract that the table follows. It is read from a table property or, if missing, from the columns."""
    remembered = table.properties.get(CONTRACT_PROPERTY)
    if remembered:
        items = json.loads(remembered).items()
        return {name: ContractField(name=name, type=said["type"], required=said["required"]) for name, said in items}
    by_type: dict[IcebergType, FieldType] = {
        iceberg_type: type_ for type_, iceberg_type in reversed(ICEBERG_TYPES.items())
    }
    return {
        column.name: ContractField(name=column.name, type=by_type[column.field_type], required=column.required)
        for column in table.schema().fields
        if not column.name.startswith(PLATFORM_PREFIX) and column.field_type in by_type
    }


def compare(standing: dict[str, ContractField], wanted: tuple[ContractField, ...], table: str) -> ContractChange:
    """Return the differences between two contracts.

    Raises
    ------
    ConfigurationError
        If a change is refused.
    """
    change = ContractChange()
    names = {contract_field.name for contract_field in wanted}
    for name in sorted(standing.keys() - names):
        change.refused.append(f"{name} is missing: keep it with `required: false`, and add a new name as another field")
    for contract_field in wanted:
        if (before := standing.get(contract_field.name)) is None:
            change.added.append(contract_field)
        else:
            _compare_field(before, contract_field, change)
    if change.refused:
        raise ConfigurationError(f"The contract of {table} has unsupported changes: {'; '.join(change.refused)}.")
    return change


def _compare_field(before: ContractField, now: ContractField, change: ContractChange) -> None:
    if before.type is not now.type:
        if (before.type, now.type) in _WIDENING:
            change.widened.append(now)
        else:
            change.refused.append(
                f"{now.name} was {before.type} and cannot become {now.type}: "
                f"keep {before.type} and cast in silver, or poll under another pipeline's name"
            )
    if now.required and not before.required:
        change.refused.append(f"{now.name} was optional, and rows without it exist: keep `required: false`")
    elif before.required and not now.required:
        change.made_optional.append(now)


def _stage(table: Table, transaction: Transaction, feed: Feed) -> None:
    change = compare(standing_contract(table), feed.contract, str(feed.bronze))
    columns = {column.name: column for column in table.schema().fields}
    with transaction.update_schema() as update:
        for added in change.added:
            # the column is optional even if the contract requires the field, because existing rows do not have it
            update.add_column(added.name, ICEBERG_TYPES[added.type], doc=added.description or None)
        for widened in change.widened:
            update.update_column(widened.name, field_type=ICEBERG_TYPES[widened.type])
        for optional in change.made_optional:
            if columns[optional.name].required:
                update.update_column(optional.name, required=False)
    kept = json.loads(table.properties.get(KEPT_PROPERTY, "{}"))
    kept.update({added.name: "json" if added.type is FieldType.JSON else "value" for added in change.added})
    transaction.set_properties({CONTRACT_PROPERTY: contract_text(feed), KEPT_PROPERTY: json.dumps(kept)})
