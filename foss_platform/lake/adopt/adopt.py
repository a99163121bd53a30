"""Adopting a copied or moved lake: copy missing files, correct the paths, and finally write the mark.

The lake stays read-only until the mark is written, so an interrupted adoption is simply run again. The original's
files are only read, because its catalog may still be in use.

See `lake.adopt.relocation` for the files of one table, and `lake.ownership.require_own` for who owns the files.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from pyiceberg.catalog import Catalog
from pyiceberg.manifest import clear_manifest_cache

from foss_platform.errors import ConfigurationError, TransientError
from foss_platform.lake.adopt.relocation import Relocation
from foss_platform.lake.maintenance.dropped_tables import RECORDS, read_record
from foss_platform.lake.ownership.locations import table_location, table_locations
from foss_platform.lake.ownership.mark import Mark, read_mark, write_mark
from foss_platform.lake.ownership.owner import Ownership, ownership_of
from foss_platform.lake.ownership.require_own import adopting
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.store.warehouse import Place
from foss_platform.lake.table.tables import ensure_namespace

#: File in the warehouse with the tables whose location in the catalog is being changed by an adoption.
_JOURNAL = "foss-adoption.json"

Identifier = tuple[str, ...]


@dataclass(frozen=True)
class Adopted:
    """One table of an adoption.

    Attributes
    ----------
    places
        Maps each former location to the new one. Empty if the files are not moved.
    """

    identifier: Identifier
    metadata: str
    places: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The table's name as users write it."""
        return ".".join(self.identifier)


@dataclass(frozen=True)
class Adoption:
    """The plan of an adoption.

    Attributes
    ----------
    owner
        The mark that names another catalog. None if this catalog already owns the lake.
    former
        The owner's warehouse.
    """

    ownership: Ownership
    owner: Mark | None
    tables: tuple[Adopted, ...] = ()
    former: Place | None = None

    @property
    def takes_over(self) -> bool:
        """Whether no file is moved."""
        return not any(table.places for table in self.tables)


def plan_adoption(catalog: Catalog, *, take_over: bool = False) -> Adoption:
    """Plan an adoption. Writes nothing.

    Parameters
    ----------
    take_over
        The user's confirmation that the catalog in the mark no longer uses these files.

    Raises
    ------
    ConfigurationError
        If this catalog uses the original's warehouse and the original is or may be in use.
    TransientError
        If the store or catalog does not answer.
    """
    ownership = ownership_of(catalog)
    if ownership.owner is None:
        return Adoption(ownership, None)
    assert ownership.warehouse is not None
    assert ownership.place is not None
    is_gone = take_over or bool(ownership.is_gone)
    with lake_failures():
        here = ownership.warehouse
        there = Place(ownership.owner.warehouse or ownership.place.location, catalog.properties)
        if there.is_same(here) and not is_gone:
            raise _same_warehouse(ownership)
        listed = {**_journal(here, ownership), **dict(table_locations(catalog))}
        tables = [
            Adopted(identifier, metadata, _places(identifier, metadata, there, here, is_gone=is_gone))
            for identifier, metadata in sorted(listed.items())
        ]
    return Adoption(ownership, ownership.owner, tuple(tables), there)


def adopt(catalog: Catalog, plan: Adoption, progress: Callable[[str, int], None] = lambda name, files: None) -> None:
    """Carry out a plan.

    Parameters
    ----------
    progress
        Called with a table's name and the number of files copied so far.

    Raises
    ------
    PermanentError
        If a file that a table needs is missing.
    TransientError
        If a store or catalog failed, or another process adopted the lake meanwhile. The adoption can be run again.
    """
    ownership, owner = plan.ownership, plan.owner
    assert owner is not None
    assert ownership.warehouse is not None
    assert ownership.identity is not None
    with lake_failures(), adopting(catalog):
        moved = [(table, _relocate(catalog, table, progress)) for table in plan.tables]
        journal = {table.name: metadata for table, metadata in moved if metadata != table.metadata}
        if journal:
            content = {"catalog": ownership.identity.name, "tables": journal}
            ownership.warehouse.write(_JOURNAL, json.dumps(content, indent=1).encode())
        listed = dict(table_locations(catalog))
        for table, metadata in moved:
            _point_at(catalog, listed, table, metadata)
        _bring_dropped(catalog, plan)
        clear_manifest_cache()
        _take(catalog, plan, owner)
        ownership.warehouse.delete(_JOURNAL)


def _relocate(catalog: Catalog, table: Adopted, progress: Callable[[str, int], None]) -> str:
    files = 0

    def copied(_: str) -> None:
        nonlocal files
        files += 1
        progress(table.name, files)

    progress(table.name, 0)
    if not table.places:
        return table.metadata
    return Relocation(table.name, table.metadata, table.places, catalog.properties, copied).carry_out()


def _point_at(catalog: Catalog, listed: Mapping[Identifier, str], table: Adopted, metadata: str) -> None:
    """Register the table at its new location. If this is interrupted after the drop, the table is in the journal."""
    if metadata == listed.get(table.identifier):
        return
    if table.identifier in listed:
        catalog.drop_table(table.identifier)
    ensure_namespace(catalog, ".".join(table.identifier[:-1]))
    catalog.register_table(table.identifier, metadata)


def _bring_dropped(catalog: Catalog, plan: Adoption) -> None:
    """Make dropped tables restorable at their new location."""
    here, there = plan.ownership.warehouse, plan.former
    assert here is not None
    assert there is not None
    for name in sorted({*here.names(RECORDS), *there.names(RECORDS)}):
        dropped = read_record(here, name) or read_record(there, name)
        if dropped is None:
            continue
        places = {} if here.is_same(there) else {there.location: here.location}
        moving = Relocation(dropped.table, dropped.metadata, places, catalog.properties)
        if moving.moved(dropped.metadata) == dropped.metadata and _is_below(dropped.metadata, here):
            continue
        new = replace(dropped, metadata=moving.carry_out(), location=moving.moved(dropped.location))
        here.write(new.file, new.content())


def _take(catalog: Catalog, plan: Adoption, owner: Mark) -> None:
    """Write this catalog's mark to all places of its tables, and to the warehouse last."""
    ownership = plan.ownership
    assert ownership.warehouse is not None
    assert ownership.identity is not None
    assert ownership.place is not None
    found = read_mark(ownership.place)
    if found is not None and found != owner:
        raise TransientError(
            f"Another process changed the mark of {ownership.place.location} meanwhile.", "Run `foss adopt` again."
        )
    # A moved lake keeps its id. A copy is a new lake.
    lake = owner.lake if plan.takes_over or ownership.is_gone else None
    if plan.takes_over and not ownership.place.is_same(ownership.warehouse):
        write_mark(ownership.place, ownership.identity, lake)
    write_mark(ownership.warehouse, ownership.identity, lake)


def _places(identifier: Identifier, metadata: str, there: Place, here: Place, *, is_gone: bool) -> dict[str, str]:
    location = table_location(metadata)
    if _is_below(location, here):
        return {}
    if _is_below(location, there):
        return {there.location: here.location}
    if is_gone:
        return {}
    return {location: "/".join((here.location, *identifier)), there.location: here.location}


def _is_below(location: str, place: Place) -> bool:
    # Compare with and without resolved links, because the location itself may no longer exist.
    table = Place(location, place.properties)
    return f"{table.real}/".startswith(f"{place.real}/") or f"{table.root}/".startswith(f"{place.root}/")


def _journal(here: Place, ownership: Ownership) -> dict[Identifier, str]:
    """Return tables that an interrupted adoption had dropped from the catalog but not registered again."""
    content = here.read(_JOURNAL)
    if content is None or ownership.identity is None:
        return {}
    found = json.loads(content)
    if found["catalog"] != ownership.identity.name:
        # The journal belongs to another home, which was copied during its own adoption.
        return {}
    return {tuple(name.split(".")): metadata for name, metadata in found["tables"].items()}


def _same_warehouse(ownership: Ownership) -> ConfigurationError:
    assert ownership.owner is not None
    assert ownership.warehouse is not None
    place, other = ownership.warehouse.location, ownership.owner.catalog
    known = "is still there" if ownership.is_gone is False else "may be in use: this cannot be determined from here"
    return ConfigurationError(
        f"The warehouse {place} belongs to the catalog {other}, which {known}.",
        "If that catalog uses these files, set the warehouse of catalog 'lake' to a new, empty location and "
        "run `foss adopt`, which copies the files there. If that catalog is no longer used, or this store is "
        "a copy of its store, run `foss adopt --take-over`.",
    )
