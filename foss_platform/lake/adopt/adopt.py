"""Making a lake that was copied or moved this catalog's own: files of its own, true paths, and the mark at the end.

Until the mark is written the lake stays read-only, so an adoption that is ended is simply run again. The original's
files are read, never written: its catalog may still be in use.

What belongs here: what an adoption does, in order. What does not: one table's files (`lake.adopt.relocation`), and whose the
files are (`lake.ownership.ownership`).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from pyiceberg.catalog import Catalog
from pyiceberg.manifest import clear_manifest_cache

from foss_platform.errors import ConfigurationError, PassingError
from foss_platform.lake.adopt.relocation import Relocation
from foss_platform.lake.maintenance.dropped_tables import RECORDS, read_record
from foss_platform.lake.ownership.locations import table_location, table_locations
from foss_platform.lake.ownership.mark import Mark, read_mark, write_mark
from foss_platform.lake.ownership.ownership import adopting
from foss_platform.lake.ownership.standing import Standing, standing_of
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.store.warehouse import Place
from foss_platform.lake.table.tables import ensure_namespace

#: Which tables are on their way from one location to another in the catalog, while an adoption is under way.
_JOURNAL = "foss-adoption.json"

Identifier = tuple[str, ...]


@dataclass(frozen=True)
class Adopted:
    """One table of an adoption.

    Attributes
    ----------
    places
        Former to new locations; empty if its files stay where they are.
    """

    identifier: Identifier
    metadata: str
    places: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As users write it."""
        return ".".join(self.identifier)


@dataclass(frozen=True)
class Adoption:
    """What an adoption is to do.

    Attributes
    ----------
    owner
        The mark that names another catalog; None if the lake is this catalog's own.
    former
        The owner's warehouse.
    """

    standing: Standing
    owner: Mark | None
    tables: tuple[Adopted, ...] = ()
    former: Place | None = None

    @property
    def takes_over(self) -> bool:
        """Whether no file moves."""
        return not any(table.places for table in self.tables)


def plan_adoption(catalog: Catalog, *, take_over: bool = False) -> Adoption:
    """Work out what is to be done; writes nothing.

    Parameters
    ----------
    take_over
        The user's word that the catalog which the mark names does not use these files any longer.

    Raises
    ------
    ConfigurationError
        If the original is in use, or may be, and this catalog's warehouse is the original's.
    PassingError
        If the store or catalog does not answer.
    """
    standing = standing_of(catalog)
    if standing.owner is None:
        return Adoption(standing, None)
    assert standing.warehouse is not None
    assert standing.place is not None
    is_gone = take_over or bool(standing.is_gone)
    with lake_failures():
        here = standing.warehouse
        there = Place(standing.owner.warehouse or standing.place.location, catalog.properties)
        if there.is_same(here) and not is_gone:
            raise _same_warehouse(standing)
        listed = {**_journal(here, standing), **dict(table_locations(catalog))}
        tables = [
            Adopted(identifier, metadata, _places(identifier, metadata, there, here, is_gone=is_gone))
            for identifier, metadata in sorted(listed.items())
        ]
    return Adoption(standing, standing.owner, tuple(tables), there)


def adopt(catalog: Catalog, plan: Adoption, progress: Callable[[str, int], None] = lambda name, files: None) -> None:
    """Carry out a plan.

    Parameters
    ----------
    progress
        Called with a table's name and how many of its files were copied so far.

    Raises
    ------
    LastingError
        If a file that a table needs is missing.
    PassingError
        If a store or catalog failed, or another process adopted the lake meanwhile. Run it again.
    """
    standing, owner = plan.standing, plan.owner
    assert owner is not None
    assert standing.warehouse is not None
    assert standing.identity is not None
    with lake_failures(), adopting(catalog):
        moved = [(table, _relocate(catalog, table, progress)) for table in plan.tables]
        journal = {table.name: metadata for table, metadata in moved if metadata != table.metadata}
        if journal:
            content = {"catalog": standing.identity.name, "tables": journal}
            standing.warehouse.write(_JOURNAL, json.dumps(content, indent=1).encode())
        listed = dict(table_locations(catalog))
        for table, metadata in moved:
            _point_at(catalog, listed, table, metadata)
        _bring_dropped(catalog, plan)
        clear_manifest_cache()
        _take(catalog, plan, owner)
        standing.warehouse.delete(_JOURNAL)


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
    """Let the catalog have the table at its new place; what was dropped and not registered is in the journal."""
    if metadata == listed.get(table.identifier):
        return
    if table.identifier in listed:
        catalog.drop_table(table.identifier)
    ensure_namespace(catalog, ".".join(table.identifier[:-1]))
    catalog.register_table(table.identifier, metadata)


def _bring_dropped(catalog: Catalog, plan: Adoption) -> None:
    """Tables that were dropped can be restored at their new place too."""
    here, there = plan.standing.warehouse, plan.former
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
    """Put this catalog's name on the places that it has now; the warehouse last."""
    standing = plan.standing
    assert standing.warehouse is not None
    assert standing.identity is not None
    assert standing.place is not None
    found = read_mark(standing.place)
    if found is not None and found != owner:
        raise PassingError(
            f"Another process changed the mark of {standing.place.location} meanwhile.", "Run `foss adopt` again."
        )
    # a lake that moved is the same lake; a copy is another one
    lake = owner.lake if plan.takes_over or standing.is_gone else None
    if plan.takes_over and not standing.place.is_same(standing.warehouse):
        write_mark(standing.place, standing.identity, lake)
    write_mark(standing.warehouse, standing.identity, lake)


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
    # links resolved on both sides; the location itself may be gone
    table = Place(location, place.properties)
    return f"{table.real}/".startswith(f"{place.real}/") or f"{table.root}/".startswith(f"{place.root}/")


def _journal(here: Place, standing: Standing) -> dict[Identifier, str]:
    """Tables that an adoption which was ended had dropped from the catalog and not registered again."""
    content = here.read(_JOURNAL)
    if content is None or standing.identity is None:
        return {}
    found = json.loads(content)
    if found["catalog"] != standing.identity.name:
        # of a home that was copied in the middle of its adoption
        return {}
    return {tuple(name.split(".")): metadata for name, metadata in found["tables"].items()}


def _same_warehouse(standing: Standing) -> ConfigurationError:
    assert standing.owner is not None
    assert standing.warehouse is not None
    place, other = standing.warehouse.location, standing.owner.catalog
    known = "is still there" if standing.is_gone is False else "may be in use: it cannot be told from here"
    return ConfigurationError(
        f"The warehouse {place} is marked as that of the catalog {other}, which {known}.",
        "If that catalog uses these files, set the warehouse of catalog 'lake' to a new, empty location and run `foss "
        "adopt`, which copies them there. If it does not, because it is out of use or this store is a copy of its "
        "store, run `foss adopt --take-over`.",
    )
