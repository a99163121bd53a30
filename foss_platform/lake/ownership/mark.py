"""The mark in a warehouse: which lake it is, and the one catalog that may change its files. Not here: judging by it."""

import json
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from foss_platform.errors import ConfigurationError
from foss_platform.lake.ownership.identity import CatalogIdentity
from foss_platform.lake.store.warehouse import Place

#: The mark's name, at the root of a warehouse. No clean-up removes a file of this name.
MARK = "foss-lake.json"


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
    place.write(MARK, new_mark(place, identity, lake).content())


def new_mark(place: Place, identity: CatalogIdentity, lake: str | None = None) -> Mark:
    """The mark of a place for this catalog; a new lake's if none is named."""
    return Mark(lake or str(uuid.uuid4()), identity, place.location, datetime.now(UTC).isoformat(timespec="seconds"))
