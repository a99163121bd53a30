"""Which files a table refers to: what its metadata, and that of every pinned state, leads to.

What belongs here: following references. What does not: listing or deleting. Whatever cannot be read is an
error, never an empty answer: the caller deletes what is not in it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pyiceberg.manifest import ManifestFile
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata

from foss_platform.lake.points import Point, point_table


@dataclass
class References:
    """Locations, each as `normalize` spells it.

    Attributes
    ----------
    needed
        Without one of these, some state of the table could not be read.
    past
        Older metadata files that the table's log names; no state needs them.
    """

    needed: set[str] = field(default_factory=set)
    past: set[str] = field(default_factory=set)


def references_of(table: Table, points: Iterable[Point], normalize: Callable[[str], str]) -> References:
    """Everything that the table and its pinned states refer to.

    Parameters
    ----------
    normalize
        From a location as metadata spells it to the form that is compared with a listing.

    Raises
    ------
    OSError, ValueError
        When a metadata file, manifest list or manifest cannot be read.
    """
    found = References(past={normalize(entry.metadata_file) for entry in table.metadata.metadata_log})
    found.needed.add(normalize(table.metadata_location))
    walked: set[str] = set()
    _walk(table, table.metadata, found, walked, normalize)
    for point in points:
        found.needed.add(normalize(point.metadata_location))
        _walk(table, point_table(table, point).metadata, found, walked, normalize)
    return found


def _walk(
    table: Table, metadata: TableMetadata, found: References, walked: set[str], normalize: Callable[[str], str]
) -> None:
    for statistics in (*metadata.statistics, *metadata.partition_statistics):
        found.needed.add(normalize(statistics.statistics_path))
    for snapshot in metadata.snapshots:
        if snapshot.manifest_list in walked:
            continue
        walked.add(snapshot.manifest_list)
        found.needed.add(normalize(snapshot.manifest_list))
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path not in walked:
                walked.add(manifest.manifest_path)
                _walk_manifest(table, manifest, found, normalize)


def _walk_manifest(table: Table, manifest: ManifestFile, found: References, normalize: Callable[[str], str]) -> None:
    found.needed.add(normalize(manifest.manifest_path))
    for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
        found.needed.add(normalize(entry.data_file.file_path))
