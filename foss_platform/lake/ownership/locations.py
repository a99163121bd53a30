"""The locations of a lake: its warehouse, and every other folder that holds its tables.

A place is the parent of a table's namespace folder, as catalogs lay out tables: `<place>/<namespace>/<table>`. See
`lake.ownership.require_own` for who owns a place.
"""

import re
from collections.abc import Iterator

from pyiceberg.catalog import Catalog
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField
from sqlalchemy import Engine, inspect, text

from foss_platform.lake.store.warehouse import Place

_URL = re.compile(r"[a-z][a-z0-9+.-]*://")
_ANY = Schema(NestedField(1, "any", LongType(), required=False))


def warehouse_of(catalog: Catalog) -> Place | None:
    """Return the place in which the catalog creates tables. None if the catalog does not report it."""
    stated = str(catalog.properties.get("warehouse", ""))
    if _URL.match(stated) or stated.startswith("/"):
        return Place(stated, catalog.properties)
    if isinstance(getattr(catalog, "engine", None), Engine):
        return None
    # A REST catalog may identify its warehouse by a name only. Staging a table, without committing it, reveals the
    # location.
    namespaces = catalog.list_namespaces()
    if not namespaces:
        return None
    namespace = namespaces[0]
    staged = catalog.create_table_transaction((*namespace, "foss-place"), _ANY)
    return _place_of(catalog, staged.table_metadata.location)


def table_locations(catalog: Catalog) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield every table's identifier and metadata location. A database catalog is queried directly, without loading
    tables.
    """
    engine = getattr(catalog, "engine", None)
    if isinstance(engine, Engine):
        if not inspect(engine).has_table("iceberg_tables"):
            return
        asked = "select table_namespace, table_name, metadata_location from iceberg_tables where catalog_name = :name"
        if "iceberg_type" in {column["name"] for column in inspect(engine).get_columns("iceberg_tables")}:
            # Trino stores its views in the same database table.
            asked += " and (iceberg_type is null or iceberg_type = 'TABLE')"
        with engine.connect() as connection:
            rows = connection.execute(text(f"{asked} order by 1, 2"), {"name": catalog.name}).all()
        for namespace, name, location in rows:
            if location:
                yield (*str(namespace).split("."), str(name)), str(location)
        return
    for parent in namespaces_of(catalog):
        for identifier in sorted(catalog.list_tables(parent)):
            yield identifier, catalog.load_table(identifier).metadata_location


def places_of_tables(catalog: Catalog, warehouse: Place) -> list[Place]:
    """Return the distinct places that hold tables. Every place below the warehouse counts as the warehouse."""
    found: dict[str, Place] = {}
    for _, metadata in table_locations(catalog):
        location = table_location(metadata)
        if location.startswith(f"{warehouse.location}/"):
            found.setdefault(warehouse.location, warehouse)
            continue
        place = _place_of(catalog, location)
        if place.location not in found:
            found[place.location] = warehouse if _is_within(place, warehouse) else place
    return list({place.real: place for place in found.values()}.values())


def table_location(metadata_location: str) -> str:
    """Return a table's location from its metadata location."""
    return metadata_location.rpartition("/metadata/")[0] or metadata_location.rpartition("/")[0]


def namespaces_of(catalog: Catalog, parent: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield all namespaces, including nested ones."""
    for namespace in catalog.list_namespaces(parent):
        yield namespace
        yield from namespaces_of(catalog, namespace)


def _place_of(catalog: Catalog, location: str) -> Place:
    table = Place(location, catalog.properties)
    namespace = table.above() or table
    return namespace.above() or namespace


def _is_within(place: Place, warehouse: Place) -> bool:
    return place.is_same(warehouse) or f"{place.real}/".startswith(f"{warehouse.real}/")
