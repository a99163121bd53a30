"""Commits in the style of Trino, without Trino: position delete files, no pins and no expiry.

PyIceberg does not write delete files, so PyIceberg's Avro writers write the manifest here with the content
`deletes`.
"""

import io
import uuid
from collections.abc import Collection
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriterV2,
)
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation, Summary
from pyiceberg.table.update.snapshot import _FastAppendFiles
from pyiceberg.typedef import EMPTY_DICT, Record

from foss_platform.lake.files.data_files import write_data_files
from foss_platform.lake.table.names import TableName

# https://iceberg.apache.org/spec/#reserved-field-ids
_PATH, _POSITION = 2147483546, 2147483545
_FIELDS: "list[pa.Field[Any]]" = [
    pa.field("file_path", pa.string(), nullable=False, metadata={"PARQUET:field_id": str(_PATH)}),
    pa.field("pos", pa.int64(), nullable=False, metadata={"PARQUET:field_id": str(_POSITION)}),
]


class _DeletesWriter(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


class _RowDelta(_FastAppendFiles):
    """A snapshot that adds data files and delete files."""

    deletes: list[DataFile]

    def _manifests(self) -> list[ManifestFile]:
        return [*super()._manifests(), *([self._delete_manifest()] if self.deletes else [])]

    def _summary(self, snapshot_properties: dict[str, str] = EMPTY_DICT) -> Summary:
        self._added_data_files += self.deletes
        return super()._summary(snapshot_properties)

    def _delete_manifest(self) -> ManifestFile:
        table = self._transaction.table_metadata
        output = self.new_manifest_output()
        with _DeletesWriter(table.spec(), table.schema(), output, self._snapshot_id, self._compression) as writer:
            for file in self.deletes:
                entry = ManifestEntry.from_args(
                    status=ManifestEntryStatus.ADDED, snapshot_id=self._snapshot_id, data_file=file
                )
                writer.add_entry(entry)
        return writer.to_manifest_file()


def merge_elsewhere(
    catalog: Catalog,
    name: TableName,
    gone: Collection[int] = (),
    rows: pa.Table | None = None,
    content: DataFileContent = DataFileContent.POSITION_DELETES,
) -> Table:
    """Delete the rows whose `id` is in `gone` and add others, in one snapshot by another engine.

    Parameters
    ----------
    content
        Declared content of the delete files. Equality deletes are declared but not written as such.
    """
    table = catalog.load_table(name.identifier)
    deletes = []
    for task in table.scan().plan_files():
        numbers = _parquet(table, task.file.file_path)["id"]
        found = pc.is_in(numbers, value_set=pa.array(sorted(gone), numbers.type)).to_pylist()
        already = _deleted_positions(table, task.delete_files, task.file.file_path)
        positions = [place for place, is_gone in enumerate(found) if is_gone and place not in already]
        if positions:
            deletes.append(_write_deletes(table, task.file.file_path, positions, content))
    with table.transaction() as transaction:
        noted = {"engine-name": "trino", "engine-version": "476"}
        delta = _RowDelta(Operation.OVERWRITE, transaction, table.io, snapshot_properties=noted)
        delta.deletes = deletes
        for file in write_data_files(table, rows) if rows is not None else []:
            delta.append_data_file(file)
        delta.commit()
    return catalog.load_table(name.identifier)


def _deleted_positions(table: Table, files: set[DataFile], path: str) -> set[int]:
    positions: set[int] = set()
    for file in files:
        found = _parquet(table, file.file_path).to_pylist()
        positions |= {row["pos"] for row in found if row["file_path"] == path}
    return positions


def _parquet(table: Table, location: str) -> pa.Table:
    with table.io.new_input(location).open() as stream:
        return pq.read_table(io.BytesIO(stream.read()))


def _write_deletes(table: Table, path: str, positions: list[int], content: DataFileContent) -> DataFile:
    location = f"{table.location()}/data/{uuid.uuid4()}-deletes.parquet"
    rows = pa.table({"file_path": [path] * len(positions), "pos": positions}, schema=pa.schema(_FIELDS))
    content_of_file = io.BytesIO()
    pq.write_table(rows, content_of_file)
    with table.io.new_output(location).create() as stream:
        stream.write(content_of_file.getvalue())
    written = DataFile.from_args(
        content=content,
        file_path=location,
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=len(positions),
        file_size_in_bytes=len(table.io.new_input(location)),
        # as Trino does, which writes one delete file for each data file
        lower_bounds={_PATH: path.encode()},
        upper_bounds={_PATH: path.encode()},
        equality_ids=[1] if content == DataFileContent.EQUALITY_DELETES else None,
    )
    written.spec_id = table.metadata.default_spec_id
    return written
