"""The files that a table refers to, from its metadata and the metadata of every pinned state.

The caller deletes all files that are not in the result. An unreadable metadata file is therefore always an error.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from pyiceberg.manifest import ManifestContent, ManifestEntryStatus, ManifestFile
from pyiceberg.table import StaticTable, Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot

from foss_platform.lake.files.avro_frames import refuse_cut_avro
from foss_platform.lake.snapshots.points import Point, point_table


@dataclass
class References:
    """The locations to which a table refers, as normalized by `normalize`.

    Attributes
    ----------
    needed
        Files that at least one state of the table needs, with their size if the metadata contains the size.
    past
        Older metadata files that the table's metadata log lists. No state needs them.
    """

    needed: dict[str, int | None] = field(default_factory=dict)
    past: set[str] = field(default_factory=set)


def references_of(table: Table, points: Iterable[Point], normalize: Callable[[str], str]) -> References:
    """Return everything that the table and its pinned states refer to.

    Parameters
    ----------
    normalize
        Converts a location in metadata to the form used in a listing.

    Raises
    ------
    OSError, ValueError
        If a metadata file, manifest list or manifest cannot be read.
    """
    # The metadata in memory may hide that its file is missing or damaged, so read the file.
    metadata = StaticTable.from_metadata(table.metadata_location, dict(table.io.properties)).metadata
    found = References(past={normalize(entry.metadata_file) for entry in metadata.metadata_log})
    found.needed[normalize(table.metadata_location)] = None
    walked: set[str] = set()
    _walk(table, metadata, found, walked, normalize)
    for point in points:
        found.needed[normalize(point.metadata_location)] = None
        _walk(table, point_table(table, point).metadata, found, walked, normalize)
    return found


def _walk(
    table: Table, metadata: TableMetadata, found: References, walked: set[str], normalize: Callable[[str], str]
) -> None:
    for statistics in (*metadata.statistics, *metadata.partition_statistics):
        found.needed[normalize(statistics.statistics_path)] = statistics.file_size_in_bytes
    for snapshot in metadata.snapshots:
        if snapshot.manifest_list in walked:
            continue
        walked.add(snapshot.manifest_list)
        found.needed[normalize(snapshot.manifest_list)] = None
        _refuse_cut(table, snapshot.manifest_list)
        manifests = snapshot.manifests(table.io)
        _refuse_missing_manifests(snapshot, manifests)
        for manifest in manifests:
            if manifest.manifest_path not in walked:
                walked.add(manifest.manifest_path)
                _walk_manifest(table, manifest, found, normalize)


def _walk_manifest(table: Table, manifest: ManifestFile, found: References, normalize: Callable[[str], str]) -> None:
    found.needed[normalize(manifest.manifest_path)] = manifest.manifest_length
    _refuse_cut(table, manifest.manifest_path, manifest.manifest_length)
    entries = manifest.fetch_manifest_entry(table.io, discard_deleted=False)
    standing = [entry.data_file for entry in entries if entry.status != ManifestEntryStatus.DELETED]
    said = _count(manifest)
    if said is not None and said != len(standing):
        raise ValueError(f"{manifest.manifest_path} lists {len(standing)} files, but should list {said}")
    found.needed.update({normalize(file.file_path): file.file_size_in_bytes for file in standing})


def _count(manifest: ManifestFile) -> int | None:
    added, existing = manifest.added_files_count, manifest.existing_files_count
    return None if added is None or existing is None else added + existing


def _refuse_cut(table: Table, location: str, length: int | None = None) -> None:
    """Raise if an Avro file is truncated. PyIceberg would return the entries before the cut, or crash."""
    with table.io.new_input(location).open() as stream:
        content = stream.read()
    if length is not None and len(content) != length:
        raise ValueError(f"{location} has {len(content)} bytes, but should have {length}")
    refuse_cut_avro(location, content)


def _refuse_missing_manifests(snapshot: Snapshot, manifests: Sequence[ManifestFile]) -> None:
    """Raise if a manifest list lacks entries, because it was truncated between two blocks. Such a file is valid Avro,
    so its entries are compared with the counts in the snapshot's summary.
    """
    totals = snapshot.summary.additional_properties if snapshot.summary is not None else {}
    for content, key in ((ManifestContent.DATA, "total-data-files"), (ManifestContent.DELETES, "total-delete-files")):
        counts = [_count(manifest) for manifest in manifests if manifest.content == content]
        known = [count for count in counts if count is not None]
        if key in totals and len(known) == len(counts) and sum(known) != int(totals[key]):
            raise ValueError(f"{snapshot.manifest_list} lists {sum(known)} files, but should list {totals[key]}")
