"""The relation of a catalog to the files of its tables: owner, copy, or moved lake.

It is determined from the marks of all places that hold tables. See `lake.ownership.require_own` for refusing writes,
and `lake.adopt.adopt` for the remedy.
"""

from dataclasses import dataclass, replace

from pyiceberg.catalog import Catalog

from foss_platform.lake.ownership.identity import CatalogIdentity, identity_of, is_gone
from foss_platform.lake.ownership.locations import places_of_tables, table_locations, warehouse_of
from foss_platform.lake.ownership.mark import Mark, read_mark
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.store.warehouse import Place

_EMBEDDED_CATALOG = "catalog.db"


@dataclass(frozen=True)
class Ownership:
    """The relation of a catalog to the files of its tables.

    Attributes
    ----------
    owner
        The mark that names another catalog, or None.
    place
        The place that belongs to the owner.
    is_gone
        Whether the owner's catalog no longer exists. None if this cannot be determined.
    can_read
        Whether the tables' files are where the catalog says.
    is_marked
        Whether the warehouse has the mark of this catalog.
    is_empty
        Whether the catalog has no table.
    """

    identity: CatalogIdentity | None
    warehouse: Place | None
    owner: Mark | None = None
    place: Place | None = None
    is_gone: bool | None = None
    can_read: bool = True
    is_marked: bool = False
    is_empty: bool = False

    @property
    def is_own(self) -> bool:
        """Whether this catalog may change the files."""
        return self.owner is None

    @property
    def problem(self) -> str:
        """The problem, which names both catalogs."""
        assert self.owner is not None
        here, there = str(self.identity), str(self.owner.catalog)
        if self.is_empty:
            assert self.place is not None
            return (
                f"The warehouse {self.place.location} belongs to the catalog {there}, but the configured catalog is "
                f"{here}, which has no tables."
            )
        if self.is_gone:
            return (
                f"This lake was moved: its files belong to the catalog {there}, which no longer exists. The configured "
                f"catalog is {here}."
            )
        return (
            f"This lake is a copy: its files at {self.owner.warehouse} belong to the catalog {there}, but the "
            f"configured catalog is {here}."
        )

    @property
    def remedy(self) -> str:
        """What the user can do."""
        if self.is_empty:
            return "Configure another warehouse, or restore the catalog. Until then nothing is written or deleted."
        if self.is_gone:
            return "Run `foss adopt` to make the files this catalog's own. Until then nothing is written or deleted."
        return (
            "Run `foss adopt` to give the copy its own files. Until then it can only be read: nothing is written "
            "or deleted."
        )


def ownership_of(catalog: Catalog) -> Ownership:
    """Determine the relation from the marks of the warehouse and of all other places that hold tables. Writes nothing.

    Raises
    ------
    ForeignLakeError
        If a mark cannot be read.
    TransientError
        If the store or catalog does not answer.
    """
    with lake_failures():
        identity = identity_of(catalog)
        warehouse = warehouse_of(catalog) if identity is not None else None
        if identity is None or warehouse is None:
            return Ownership(identity, warehouse, is_marked=True)
        mark = read_mark(warehouse)
        ownership = Ownership(identity, warehouse, is_marked=mark is not None and mark.catalog.is_same(identity))
        is_cheap = hasattr(catalog, "engine")
        # Without a database, finding the places takes a request per table, so it is done only if the mark does not
        # decide.
        places = places_of_tables(catalog, warehouse) if is_cheap or not ownership.is_marked else []
        outside = [place for place in places if not place.is_same(warehouse)]
        if mark is not None and not ownership.is_marked:
            return _foreign(catalog, ownership, mark, warehouse)
        strange = [place for place in outside if not _is_ours(place, identity)]
        for place in strange:
            owner = read_mark(place) or _unmarked_owner(place, identity)
            if owner is not None:
                return _foreign(catalog, ownership, owner, place)
        if strange and not ownership.is_marked and not any(_is_ours(place, identity) for place in outside):
            return _first_seen(catalog, ownership, strange, identity)
        return ownership


def _is_ours(place: Place, identity: CatalogIdentity) -> bool:
    mark = read_mark(place)
    return mark is not None and mark.catalog.is_same(identity)


def _foreign(catalog: Catalog, ownership: Ownership, owner: Mark, place: Place) -> Ownership:
    first = next(table_locations(catalog), None)
    return replace(
        ownership,
        owner=owner,
        place=place,
        is_gone=_is_replaced(catalog, owner) or is_gone(owner.catalog, catalog),
        can_read=first is None or _is_there(catalog, first[1]),
        is_empty=first is None,
    )


def _is_replaced(catalog: Catalog, owner: Mark) -> bool:
    """Whether the owner's location now holds another lake: its home was moved away, and a new one created there."""
    found = read_mark(Place(owner.warehouse, catalog.properties))
    return bool(owner.lake) and found is not None and found.lake != owner.lake


def _is_there(catalog: Catalog, location: str) -> bool:
    folder, _, name = location.rpartition("/")
    return Place(folder, catalog.properties).has(name)


def _unmarked_owner(place: Place, identity: CatalogIdentity) -> Mark | None:
    """Return the owner of a warehouse that is older than the mark file: the embedded catalog beside it."""
    above = place.above()
    if not place.is_local or above is None or not above.has(_EMBEDDED_CATALOG):
        return None
    beside = CatalogIdentity("sqlite", f"{above.real}/{_EMBEDDED_CATALOG}")
    return None if beside.is_same(identity) else Mark("", beside, place.location, "")


def _first_seen(catalog: Catalog, ownership: Ownership, strange: list[Place], identity: CatalogIdentity) -> Ownership:
    """Judge an unmarked SQLite catalog whose tables are all elsewhere: the catalog file has probably been moved."""
    assert ownership.warehouse is not None
    inside = any(place.is_same(ownership.warehouse) for place in places_of_tables(catalog, ownership.warehouse))
    place, above = strange[0], strange[0].above()
    if inside or identity.kind != "sqlite" or place.has() or above is None:
        # The location is configured on purpose, and nobody else claims the files.
        return ownership
    beside = CatalogIdentity("sqlite", f"{above.root}/{_EMBEDDED_CATALOG}")
    return _foreign(catalog, ownership, Mark("", beside, place.location, ""), place)
