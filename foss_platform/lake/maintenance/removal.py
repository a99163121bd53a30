"""Removing files that nothing refers to. The most dangerous code of the project; read all of it before a change.

What nothing refers to may still be wanted: by a writer that has not committed yet, or by a reader of a snapshot
that has just expired. So a file goes only when two looks at the table, at least the spared time apart, both found
that nothing refers to it, and at the first of them it was older than the spared time: younger, a writer might have
had it in hand, committed it, and let it go again between the two. The first look is noted beside the table's
metadata. And:

- the listing comes before the metadata is read, and the pinned states are listed again after it, so that what is
  committed or pinned meanwhile is never taken for unreferenced;
- whatever cannot be read, and whatever is referred to and missing, stops it before anything is deleted;
- only files below the table's own location are looked at, and no table may lie within another.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.errors import LastingError
from foss_platform.lake.connect.commit_order import not_before
from foss_platform.lake.files.table_files import Storage, StoredFile
from foss_platform.lake.maintenance.dropped_files import tables_in_place
from foss_platform.lake.maintenance.referenced_files import References, references_of
from foss_platform.lake.ownership.mark import MARK
from foss_platform.lake.snapshots.points import PINNED_PREFIX, pinned_points, surplus_points
from foss_platform.lake.store.failures import damage, lake_failures
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import TablePolicy
from foss_platform.lake.table.tables import load_table

#: When each unreferenced file was first found to be: a JSON object of path to ISO time, below the location.
NOTES = "metadata/unreferenced.json"


@dataclass(frozen=True)
class Removal:
    """What goes, or went, and what is spared for now.

    Attributes
    ----------
    files
        Unreferenced files whose spared time is over; among them pinned states that no promise needs any longer.
    spared
        Unreferenced files that a later clean-up removes.
    first_seen
        When a file was first found unreferenced, by path; not of those that a writer may still have in hand.
    next_at
        When the first of the spared files can go; None where none is spared.
    referenced_bytes
        What all states that can be read take, together.
    """

    files: list[StoredFile] = field(default_factory=list)
    spared: list[StoredFile] = field(default_factory=list)
    first_seen: Mapping[str, datetime] = field(default_factory=dict)
    next_at: datetime | None = None
    referenced_bytes: int = 0

    @property
    def bytes(self) -> int:
        """What goes, in bytes."""
        return sum(file.size for file in self.files)

    @property
    def spared_bytes(self) -> int:
        """What is spared, in bytes."""
        return sum(file.size for file in self.spared)


def plan_removal(
    catalog: Catalog, name: TableName, policy: TablePolicy, now: datetime, spare: timedelta | None = None
) -> Removal:
    """Decide what of a table's files may go; reads only.

    Parameters
    ----------
    spare
        Instead of the policy's: how long a file that nothing refers to is spared.

    Raises
    ------
    LastingError
        When something cannot be read or is missing, or the table's location is not its own.
    PassingError
        When the store or catalog does not answer.
    """
    spare = policy.spare if spare is None else spare
    with damage(name), lake_failures():
        table = load_table(catalog, name)
        _refuse_shared_location(catalog, name, table)
        storage = Storage(table)
        listed = {file.path: file for file in storage.list_files()}
        table = load_table(catalog, name)
        points = pinned_points(table)
        # not the ages of files: while this clock is behind the newest commit, those of new files are negative
        promised_from = not_before(table.metadata, now)
        surplus = {point.metadata_location for point in surplus_points(points, policy, promised_from)}
        kept = [point for point in points if point.metadata_location not in surplus]
        references = references_of(table, kept, storage.path_of)
        _refuse_damage(name, references, listed, storage)
        # a table that was dropped and made anew is in the same place, and the dropped one can still be restored
        dropped = set[str]()
        for other in tables_in_place(catalog, storage):
            dropped |= references_of(other, pinned_points(other), storage.path_of).needed.keys()
        noted = _read_notes(name, storage)
    # a pinned state that came after the listing is not in it, and what it refers to is referred to by `kept`
    known = references.needed.keys() | references.past | dropped | {f"{storage.root}/{NOTES}"}
    # whose the files are is nobody's garbage, wherever a table's location is
    loose = [file for path, file in listed.items() if path not in known and file.name != MARK]
    # a young file may be a writer's that commits it yet: its time begins when it is older than any writer takes
    first_seen = {file.path: min(noted.get(file.path, now), now) for file in loose if now - file.modified >= spare}
    due = [file for file in loose if not spare or now - first_seen.get(file.path, now) >= spare]
    gone = {file.path for file in due}
    spared = [file for file in loose if file.path not in gone]
    return Removal(
        # pinned states before what they refer to, so that none is ever listed and cannot be read
        sorted(due, key=lambda file: (not file.name.startswith(PINNED_PREFIX), file.path)),
        spared,
        first_seen,
        min((first_seen.get(file.path, file.modified + spare) + spare for file in spared), default=None),
        sum(listed[path].size for path in references.needed if path in listed),
    )


def remove(catalog: Catalog, name: TableName, removal: Removal, progress: Callable[[StoredFile], None]) -> None:
    """Delete what a plan says, and note what it spares.

    Parameters
    ----------
    progress
        Called after each file that is gone.

    Raises
    ------
    PassingError
        When the store refuses; what is left goes with the next clean-up.
    """
    with lake_failures():
        storage = Storage(load_table(catalog, name))
        # the notes first: a clean-up that ends in the middle must not forget since when the rest is spared
        notes = {path: moment.isoformat() for path, moment in sorted(removal.first_seen.items())}
        storage.write_whole(NOTES, json.dumps(notes, indent=0).encode())
        # the plan's order holds between the two: all pinned states are gone before anything that they refer to goes
        for _, files in groupby(removal.files, lambda file: file.name.startswith(PINNED_PREFIX)):
            by_path = {file.path: file for file in files}
            for path in storage.delete_all(list(by_path)):
                progress(by_path[path])


def _refuse_damage(name: TableName, references: References, listed: Mapping[str, StoredFile], storage: Storage) -> None:
    outside = sorted(path for path in references.needed if not storage.is_own(path))
    if outside:
        raise _refusal(name, f"it refers to a file outside of its own location, {outside[0]}")
    unseen = sorted(references.needed.keys() - listed.keys())
    # what was committed after the listing is not in it and yet there
    missing = storage.missing(unseen) if unseen else []
    if missing:
        raise _refusal(name, f"{len(missing)} files that it refers to are missing, the first of them {missing[0]}")
    for path, size in references.needed.items():
        if size is not None and path in listed and listed[path].size != size:
            raise _refusal(name, f"{path} has {listed[path].size} bytes and should have {size}")


def _refuse_shared_location(catalog: Catalog, name: TableName, table: Table) -> None:
    """No other table may lie where this one does; one that cannot be loaded is told by its metadata files."""
    own = Storage(table)
    unloadable = []
    for namespace in _namespaces(catalog, ()):
        for identifier in catalog.list_tables(namespace):
            if identifier == name.identifier:
                continue
            try:
                other = Storage(catalog.load_table(identifier)).place
            except Exception:
                # whatever its damage makes a library raise: the other tables are cared for all the same
                unloadable.append(".".join(identifier))
                continue
            if f"{other}/".startswith(f"{own.place}/") or f"{own.place}/".startswith(f"{other}/"):
                raise _refusal(name, f"{'.'.join(identifier)} lies in the same place, {other}")
    if unloadable and (foreign := _foreign_metadata(own, table)):
        raise _refusal(name, f"{', '.join(unloadable)} cannot be loaded, and {foreign} may be of it")


def _namespaces(catalog: Catalog, parent: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for namespace in catalog.list_namespaces(parent):
        yield namespace
        yield from _namespaces(catalog, namespace)


def _foreign_metadata(storage: Storage, table: Table) -> str | None:
    """A metadata file below the location that is of another table."""
    uuid = str(table.metadata.table_uuid).encode()
    for file in storage.list_files():
        if file.name.endswith(".metadata.json") and uuid not in (storage.read_path(file.path) or uuid):
            return file.path
    return None


def _read_notes(name: TableName, storage: Storage) -> dict[str, datetime]:
    content = storage.read_whole(NOTES)
    if content is None:
        return {}
    try:
        noted = {path: datetime.fromisoformat(moment) for path, moment in json.loads(content).items()}
        return noted if all(moment.tzinfo is not None for moment in noted.values()) else {}
    except (ValueError, AttributeError, TypeError, RecursionError):
        # as if never looked at: everything is spared once more
        return {}


def _refusal(name: TableName, why: str) -> LastingError:
    return LastingError(
        f"Nothing of {name} was removed: {why}.",
        "Restore what is missing from a backup, or move what is not the table's out of its folder, and run it again.",
    )
