"""The mark file in a warehouse: it names the lake and the only catalog that may change its files."""

import json
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from foss_platform.errors import ConfigurationError
from foss_platform.lake.ownership.identity import CatalogIdentity
from foss_platform.lake.store.warehouse import Place

#: The mark's file name at the root of a warehouse. Maintenance never deletes a file of this name.
MARK = "foss-lake.json"
#: The version of the lake's format: what tables, their properties and the files beside them mean. Increase it with a
#: change that an older program would misread or damage. Marks without a version have format 1.
FORMAT = 1


class NewerLakeError(ConfigurationError):
    """The lake has a format that this program does not know. Nothing is read or written."""


class ForeignLakeError(ConfigurationError):
    """The lake's files belong to another catalog, or to this catalog's former location. Nothing is written or
    deleted.
    """


@dataclass(frozen=True)
class Mark:
    """The content of a mark file.

    Attributes
    ----------
    lake
        The lake's identifier, which stays the same after a move.
    catalog
        The only catalog that may change the files.
    warehouse
        The warehouse's location when it was marked, as the catalog spelled it.
    format
        The version of the lake's format.
    """

    lake: str
    catalog: CatalogIdentity
    warehouse: str
    marked_at: str
    format: int = FORMAT

    def content(self) -> bytes:
        """Return the content of the mark file."""
        return json.dumps(asdict(self), indent=1).encode() + b"\n"


def read_mark(place: Place) -> Mark | None:
    """Return the mark of a place, or None if it has none.

    Raises
    ------
    ForeignLakeError
        If the file is not a mark.
    NewerLakeError
        If a newer program has written the lake in a format that this program does not know.
    OSError
        If the store cannot be read.
    """
    content = place.read(MARK)
    if content is None:
        return None
    try:
        found: Any = json.loads(content)
        # first, because a newer format may have other keys
        if (written := int(found.get("format", 1))) > FORMAT:
            raise NewerLakeError(
                f"The lake in {place.location} has format {written}, which foss-platform {version('foss-platform')} "
                "does not know: install the version that wrote it, or a newer one."
            )
        known = {name: str(found[name]) for name in ("lake", "warehouse", "marked_at")}
        catalog = {name: str(found["catalog"][name]) for name in ("kind", "name", "address")}
        return Mark(catalog=CatalogIdentity(**catalog), format=written, **known)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ForeignLakeError(
            f"The mark {place.location}/{MARK} cannot be read, so the owner of these files is unknown.",
            "Restore the mark from a backup. If no other catalog uses this warehouse, delete it: a new one is written.",
        ) from None


def write_mark(place: Place, identity: CatalogIdentity, lake: str | None = None) -> None:
    """Assign a place to this catalog, whatever its previous owner."""
    place.write(MARK, new_mark(place, identity, lake).content())


def new_mark(place: Place, identity: CatalogIdentity, lake: str | None = None) -> Mark:
    """Return a mark of a place for this catalog. Without `lake`, the mark names a new lake."""
    return Mark(lake or str(uuid.uuid4()), identity, place.location, datetime.now(UTC).isoformat(timespec="seconds"))
