"""Deleting unreferenced files. This is the most dangerous code of the project, so read all of it before a change.

An unreferenced file may still be needed by a writer that has not committed yet, or by a reader of a snapshot that has
just expired. So a file is deleted only if two maintenance runs, at least the retention time apart, both found it
unreferenced. At the first of these runs, the file must be older than the retention time. Otherwise a slow writer could
commit the file after the first run, and another commit could remove it before the second run, while readers still use
it. The time of the first run is recorded beside the table's metadata. In addition:

- The table's files are listed before its metadata is read, and its pinned states are listed afterwards. So a file that
  is committed or pinned in between never counts as unreferenced.
- If a referenced file is missing or cannot be read, nothing is deleted.
- Only files below the table's own location are considered. If one table's location is inside another's, nothing is
  deleted.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.errors import PermanentError
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

#: File below the table's location that records when each unreferenced file was first found unreferenced: a JSON object
#: of path to ISO time.
NOTES = "metadata/unreferenced.json"


@dataclass(frozen=True)
class Removal:
    """The unreferenced files of a table: the files to delete (or already deleted), and the files to retain for now.

    Attributes
    ----------
    files
        Unreferenced files whose retention has ended, including pinned states outside the policy.
    kept
        Unreferenced files that a later run deletes.
    first_seen
        When each file was first found unreferenced, by path. Files that a writer may still be using are left out.
    next_at
        The earliest time at which a retained file can be deleted. None if no file is retained.
    referenced_bytes
        Total size of the files that readable states need.
    """

    files: list[StoredFile] = field(default_factory=list)
    kept: list[StoredFile] = field(default_factory=list)
    first_seen: Mapping[str, datetime] = field(default_factory=dict)
    next_at: datetime | None = None
    referenced_bytes: int = 0

    @property
    def bytes(self) -> int:
        """The size of the files to delete."""
        return sum(file.size for file in self.files)

    @property
    def kept_bytes(self) -> int:
        """The size of the retained files."""
        return sum(file.size for file in self.kept)


def plan_removal(
    catalog: Catalog, name: TableName, policy: TablePolicy, now: datetime, older_than: timedelta | None = None
) -> Removal:
    """Decide which files of a table to delete. Changes nothing.

    Parameters
    ----------
    older_than
        How long an unreferenced file is retained, instead of the policy's value.

    Raises
    ------
    PermanentError
        If a referenced file is missing or cannot be read, or another table's location is the same, inside or above.
    TransientError
        If the store or catalog does not answer.
    """
    older_than = policy.keep_unreferenced if older_than is None else older_than
    with damage(name), lake_failures():
        table = load_table(catalog, name)
        _refuse_shared_location(catalog, name, table)
        storage = Storage(table)
        listed = {file.path: file for file in storage.list_files()}
        table = load_table(catalog, name)
        points = pinned_points(table)
        # For pinned states only. The ages of files are computed with `now`, also if this clock is behind: otherwise new
        # files would appear to be old.
        promised_from = not_before(table.metadata, now)
        surplus = {point.metadata_location for point in surplus_points(points, policy, promised_from)}
        retained = [point for point in points if point.metadata_location not in surplus]
        references = references_of(table, retained, storage.path_of)
        _refuse_damage(name, references, listed, storage)
        # A dropped table can still be restored, even if a new table was created in the same place.
        dropped = set[str]()
        for other in tables_in_place(catalog, storage):
            dropped |= references_of(other, pinned_points(other), storage.path_of).needed.keys()
        noted = _read_notes(name, storage)
    # A state that was pinned after the files were listed is not in `listed`, but in `retained`.
    known = references.needed.keys() | references.past | dropped | {f"{storage.root}/{NOTES}"}
    # The ownership mark must never be deleted, even if a table's location is the root of the warehouse.
    loose = [file for path, file in listed.items() if path not in known and file.name != MARK]
    # A writer may still commit a new file. So the retention starts when the file is older than any write takes.
    first_seen = {file.path: min(noted.get(file.path, now), now) for file in loose if now - file.modified >= older_than}
    due = [file for file in loose if not older_than or now - first_seen.get(file.path, now) >= older_than]
    gone = {file.path for file in due}
    kept = [file for file in loose if file.path not in gone]
    return Removal(
        # Pinned states are deleted before their data files, so that every existing pinned state is readable.
        sorted(due, key=lambda file: (not file.name.startswith(PINNED_PREFIX), file.path)),
        kept,
        first_seen,
        min((first_seen.get(file.path, file.modified + older_than) + older_than for file in kept), default=None),
        sum(listed[path].size for path in references.needed if path in listed),
    )


def remove(catalog: Catalog, name: TableName, removal: Removal, progress: Callable[[StoredFile], None]) -> None:
    """Delete the files of a plan, and record the retained files.

    Parameters
    ----------
    progress
        Called after each deleted file.

    Raises
    ------
    TransientError
        If the store refuses. The next run deletes the rest.
    """
    with lake_failures():
        storage = Storage(load_table(catalog, name))
        # Write the notes before deleting. Otherwise, if this run is interrupted, the retention of the remaining files
        # would start again.
        notes = {path: moment.isoformat() for path, moment in sorted(removal.first_seen.items())}
        storage.write_whole(NOTES, json.dumps(notes, indent=0).encode())
        # Files are deleted in any order within a group, but all pinned states are deleted before any other file.
        for _, files in groupby(removal.files, lambda file: file.name.startswith(PINNED_PREFIX)):
            by_path = {file.path: file for file in files}
            for path in storage.delete_all(list(by_path)):
                progress(by_path[path])


def _refuse_damage(name: TableName, references: References, listed: Mapping[str, StoredFile], storage: Storage) -> None:
    outside = sorted(path for path in references.needed if not storage.is_own(path))
    if outside:
        raise _refusal(name, f"the table refers to a file outside its own location, {outside[0]}")
    unseen = sorted(references.needed.keys() - listed.keys())
    # Files that were committed after the listing are not in `listed`, but they exist.
    missing = storage.missing(unseen) if unseen else []
    if missing:
        raise _refusal(name, f"{len(missing)} files that the table refers to are missing, e.g. {missing[0]}")
    for path, size in references.needed.items():
        if size is not None and path in listed and listed[path].size != size:
            raise _refusal(name, f"{path} has {listed[path].size} bytes, but should have {size}")


def _refuse_shared_location(catalog: Catalog, name: TableName, table: Table) -> None:
    """Raise if another table has the same location, or one location is inside the other. A table that cannot be loaded
    is found by its metadata files below this table's location.
    """
    own = Storage(table)
    unloadable = []
    for namespace in _namespaces(catalog, ()):
        for identifier in catalog.list_tables(namespace):
            if identifier == name.identifier:
                continue
            try:
                other = Storage(catalog.load_table(identifier)).place
            except Exception:
                # Damaged metadata raises many types of exceptions. It must not stop the maintenance of other tables.
                unloadable.append(".".join(identifier))
                continue
            if f"{other}/".startswith(f"{own.place}/") or f"{own.place}/".startswith(f"{other}/"):
                raise _refusal(name, f"its folder overlaps with that of {'.'.join(identifier)}, {other}")
    if unloadable and (foreign := _foreign_metadata(own, table)):
        raise _refusal(name, f"{', '.join(unloadable)} cannot be loaded, and the file {foreign} may belong to it")


def _namespaces(catalog: Catalog, parent: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for namespace in catalog.list_namespaces(parent):
        yield namespace
        yield from _namespaces(catalog, namespace)


def _foreign_metadata(storage: Storage, table: Table) -> str | None:
    """Return a metadata file below the location that belongs to another table."""
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
        # If the notes are damaged, the retention of all files starts again.
        return {}


def _refusal(name: TableName, why: str) -> PermanentError:
    return PermanentError(
        f"No file of {name} was deleted: {why}.",
        "Restore missing files from a backup, or move foreign files out of the table's folder. Then run again.",
    )
