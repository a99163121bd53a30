"""Whose a warehouse is: the mark in it names the lake and its catalog, and only that catalog may change the files.

Two catalogs over one warehouse destroy each other's tables: what only one of them refers to, the other's clean-up
takes for garbage. A copied home once deleted 56 files of its original that way. So everything that writes or deletes
asks `require_own` first: commits (`lake.guard`), files (`lake.storage`, `lake.data_files`), and runs before they begin.

What belongs here: the mark, and judging a catalog by it. What does not: mending it (`lake.adopt`).
"""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from pyiceberg.catalog import Catalog

from foss_platform.errors import ConfigurationError, PassingError
from foss_platform.lake.failures import lake_failures
from foss_platform.lake.identity import CatalogIdentity, identity_of, is_gone
from foss_platform.lake.places import places_of_tables, table_locations, warehouse_of
from foss_platform.lake.warehouse import Place

#: The mark's name, at the root of a warehouse. No clean-up removes a file of this name.
MARK = "foss-lake.json"

_EMBEDDED_CATALOG = "catalog.db"


class ForeignLakeError(ConfigurationError):
    """The lake's files belong to another catalog, or to this one's former place: nothing is written or deleted."""


@dataclass(frozen=True)
class Mark:
    """What a warehouse says of its owner.

    Attributes
    ----------
    lake
        Identifies the lake, also after it was moved.
    catalog
        The one catalog that may change the files.
    warehouse
        Where the warehouse was when it was marked, as the catalog spelled it.
    """

    lake: str
    catalog: CatalogIdentity
    warehouse: str
    marked_at: str

    def content(self) -> bytes:
        """As the file holds it."""
        return json.dumps(asdict(self), indent=1).encode() + b"\n"


@dataclass(frozen=True)
class Standing:
    """How a catalog stands to the files of its tables.

    Attributes
    ----------
    owner
        The mark that names another catalog; None if there is none.
    place
        The place that belongs to the owner.
    is_gone
        Whether the owner's catalog is there no longer; None if that cannot be told.
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
        """What is the matter, naming both places."""
        assert self.owner is not None
        here, there = str(self.identity), str(self.owner.catalog)
        if self.is_empty:
            assert self.place is not None
            return (
                f"The warehouse {self.place.location} belongs to the catalog {there}, and this is {here}, which has no "
                "table."
            )
        if self.is_gone:
            return f"This lake was moved: its files belong to the catalog {there}, which is gone, and this is {here}."
        place = self.owner.warehouse
        return f"This lake is a copy: its files at {place} belong to the catalog {there}, and this is {here}."

    @property
    def remedy(self) -> str:
        """What the user can do."""
        if self.is_empty:
            return "Name another warehouse, or restore the catalog; nothing is written or deleted."
        if self.is_gone:
            return "Run `foss adopt` to make them this catalog's own; until then nothing is written or deleted."
        return (
            "Run `foss adopt` to give it files of its own; until then it can only be read, and nothing is written or "
            "deleted."
        )


def require_own(catalog: Catalog) -> None:
    """Refuse unless the catalog may change its tables' files; marks a warehouse that has no mark yet.

    Looked up once for each catalog that is opened: a few milliseconds on a folder, a request or two on a bucket.

    Raises
    ------
    ForeignLakeError
        If the files belong to another catalog.
    PassingError
        If the store or catalog does not answer.
    """
    known = _known(catalog)
    with known.lock:
        if known.is_own or known.is_being_adopted:
            return
        standing = standing_of(catalog)
        if not standing.is_own:
            raise ForeignLakeError(standing.problem, standing.remedy)
        if not standing.is_marked:
            _mark_first(standing)
        known.is_own = True


def judge(catalog: Catalog) -> Standing:
    """As `standing_of`; what it finds in order `require_own` need not look up again.

    Raises
    ------
    ForeignLakeError
        If a mark cannot be read.
    PassingError
        If the store or catalog does not answer.
    """
    standing = standing_of(catalog)
    if standing.is_own and standing.is_marked:
        _known(catalog).is_own = True
    return standing


@contextmanager
def adopting(catalog: Catalog) -> Iterator[None]:
    """Let the one who makes the files this catalog's own change them before they are."""
    known = _known(catalog)
    known.is_being_adopted = True
    try:
        yield
    finally:
        known.is_being_adopted = False


def standing_of(catalog: Catalog) -> Standing:
    """Judge a catalog by the marks of its warehouse and of every other place where its tables are; writes nothing.

    Raises
    ------
    ForeignLakeError
        If a mark cannot be read.
    PassingError
        If the store or catalog does not answer.
    """
    with lake_failures():
        identity = identity_of(catalog)
        warehouse = warehouse_of(catalog) if identity is not None else None
        if identity is None or warehouse is None:
            return Standing(identity, warehouse, is_marked=True)
        mark = read_mark(warehouse)
        standing = Standing(identity, warehouse, is_marked=mark is not None and mark.catalog.is_same(identity))
        is_cheap = hasattr(catalog, "engine")
        # another kind of catalog is asked for each table: only while the mark does not settle it
        places = places_of_tables(catalog, warehouse) if is_cheap or not standing.is_marked else []
        outside = [place for place in places if not place.is_same(warehouse)]
        if mark is not None and not standing.is_marked:
            return _foreign(catalog, standing, mark, warehouse)
        strange = [place for place in outside if not _is_ours(place, identity)]
        for place in strange:
            owner = read_mark(place) or _unmarked_owner(place, identity)
            if owner is not None:
                return _foreign(catalog, standing, owner, place)
        if strange and not standing.is_marked and not any(_is_ours(place, identity) for place in outside):
            return _first_seen(catalog, standing, strange, identity)
        return standing


def read_mark(place: Place) -> Mark | None:
    """The mark of a place; None if it has none.

    Raises
    ------
    ForeignLakeError
        If it is no mark.
    OSError
        If the store cannot be read.
    """
    content = place.read(MARK)
    if content is None:
        return None
    try:
        found: Any = json.loads(content)
        known = {name: str(found[name]) for name in ("lake", "warehouse", "marked_at")}
        catalog = {name: str(found["catalog"][name]) for name in ("kind", "name", "address")}
        return Mark(catalog=CatalogIdentity(**catalog), **known)
    except (ValueError, KeyError, TypeError):
        raise ForeignLakeError(
            f"The mark {place.location}/{MARK} cannot be read, so whose these files are is not known.",
            "Restore it from a backup. If no other catalog uses this warehouse, delete it: a new one is made.",
        ) from None


def write_mark(place: Place, identity: CatalogIdentity, lake: str | None = None) -> None:
    """Make a place this catalog's, whoever's it was."""
    place.write(MARK, _new_mark(place, identity, lake).content())


def _new_mark(place: Place, identity: CatalogIdentity, lake: str | None = None) -> Mark:
    return Mark(lake or str(uuid.uuid4()), identity, place.location, datetime.now(UTC).isoformat(timespec="seconds"))


def _mark_first(standing: Standing) -> None:
    assert standing.warehouse is not None
    assert standing.identity is not None
    with lake_failures():
        standing.warehouse.create(MARK, _new_mark(standing.warehouse, standing.identity).content())
        # read back: another process may have been quicker, with this catalog or with another
        mark = read_mark(standing.warehouse)
    if mark is None:
        raise PassingError(f"The mark {MARK} of {standing.warehouse.location} was not there after it was written.")
    if not mark.catalog.is_same(standing.identity):
        taken = replace(standing, owner=mark, place=standing.warehouse)
        raise ForeignLakeError(taken.problem, taken.remedy)


def _is_ours(place: Place, identity: CatalogIdentity) -> bool:
    mark = read_mark(place)
    return mark is not None and mark.catalog.is_same(identity)


def _foreign(catalog: Catalog, standing: Standing, owner: Mark, place: Place) -> Standing:
    first = next(table_locations(catalog), None)
    return replace(
        standing,
        owner=owner,
        place=place,
        is_gone=_is_replaced(catalog, owner) or is_gone(owner.catalog, catalog),
        can_read=first is None or _is_there(catalog, first[1]),
        is_empty=first is None,
    )


def _is_replaced(catalog: Catalog, owner: Mark) -> bool:
    """Whether another lake has been made since where the owner was: a home that was moved away, and started anew."""
    found = read_mark(Place(owner.warehouse, catalog.properties))
    return bool(owner.lake) and found is not None and found.lake != owner.lake


def _is_there(catalog: Catalog, location: str) -> bool:
    folder, _, name = location.rpartition("/")
    return Place(folder, catalog.properties).has(name)


def _unmarked_owner(place: Place, identity: CatalogIdentity) -> Mark | None:
    """Of a warehouse from before there were marks: the embedded catalog that is beside it."""
    above = place.above()
    if not place.is_local or above is None or not above.has(_EMBEDDED_CATALOG):
        return None
    beside = CatalogIdentity("sqlite", f"{above.real}/{_EMBEDDED_CATALOG}")
    return None if beside.is_same(identity) else Mark("", beside, place.location, "")


def _first_seen(catalog: Catalog, standing: Standing, strange: list[Place], identity: CatalogIdentity) -> Standing:
    """All tables are elsewhere, nothing is marked, and the catalog is a file: it is in another place than it was."""
    assert standing.warehouse is not None
    inside = any(place.is_same(standing.warehouse) for place in places_of_tables(catalog, standing.warehouse))
    place, above = strange[0], strange[0].above()
    if inside or identity.kind != "sqlite" or place.has() or above is None:
        # configured to lie elsewhere, and nobody else says that it is theirs
        return standing
    beside = CatalogIdentity("sqlite", f"{above.root}/{_EMBEDDED_CATALOG}")
    return _foreign(catalog, standing, Mark("", beside, place.location, ""), place)


@dataclass
class _Known:
    lock: Any
    is_own: bool = False
    is_being_adopted: bool = False


_LOOKED_UP: WeakKeyDictionary[Catalog, _Known] = WeakKeyDictionary()
_LOCK = Lock()


def _known(catalog: Catalog) -> _Known:
    with _LOCK:
        return _LOOKED_UP.setdefault(catalog, _Known(Lock()))
