"""Writing rows into data files, and reading back the rows that a replacement must keep.

Only public names of PyIceberg are used. `write_file` and `ArrowScan` are documented in its API reference
(https://py.iceberg.apache.org/reference/pyiceberg/io/pyarrow/).
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from pyiceberg.expressions import (
    AlwaysFalse,
    AlwaysTrue,
    And,
    BooleanExpression,
    Not,
    Or,
)
from pyiceberg.io.pyarrow import ArrowScan, write_file
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table, WriteTask

from foss_platform.lake.files.conditions import at_least, below, is_missing
from foss_platform.lake.files.row_deletes import has_delete_files
from foss_platform.lake.ownership.require_own import require_own

Rows = pa.Table | pa.RecordBatchReader

#: The size of one data file's rows in memory. The Parquet file has a fifth to a tenth of this size.
ARROW_BYTES_PER_FILE = 192 * 1024 * 1024

#: Table property: the number of rows in a full data file. Such a file cannot become larger, even if it has few bytes.
FULL_ROWS_PROPERTY = "foss.full-file.rows"


@dataclass(frozen=True)
class Slices:
    """The existing rows that a commit replaces: rows whose `column` is in one of the half-open `spans`.

    Attributes
    ----------
    column
        A `timestamptz` or `date` column. None means every row of the table.
    spans
        Pairs (from, before) as ISO 8601 text, which PyIceberg's literals accept.
    """

    column: str | None
    spans: tuple[tuple[str, str], ...] = ()

    def matching(self) -> BooleanExpression:
        """Return the condition for rows inside the spans."""
        if self.column is None:
            return AlwaysTrue()
        inside: BooleanExpression = AlwaysFalse()
        for start, before in self.spans:
            inside = Or(inside, And(at_least(self.column, start), below(self.column, before)))
        return inside

    def outside(self) -> BooleanExpression:
        """Return the condition for the rows to keep. It includes nulls explicitly, because the negation of a comparison
        with null is null and would drop these rows.
        """
        return AlwaysFalse() if self.column is None else Or(is_missing(self.column), Not(self.matching()))


EVERY_ROW = Slices(column=None)


@dataclass(frozen=True)
class DataFiles:
    """The files that a commit adds and removes. If it removes any, it also removes all delete files of the table."""

    added: list[DataFile] = field(default_factory=list)
    removed: list[DataFile] = field(default_factory=list)


def write_data_files(table: Table, rows: Rows) -> list[DataFile]:
    """Write `rows` in their order as Parquet files of the table. At most one file's rows are in memory.

    Raises
    ------
    OSError
        If the store refuses. The files written before that remain, unreferenced.
    """
    return list(written_files(table, rows))


def written_files(table: Table, rows: Rows) -> Iterator[DataFile]:
    """Yield the same files as `write_data_files`, each as soon as it is written."""
    # Check the owner before writing. Otherwise, a refused commit would leave a file among another lake's files.
    require_own(table.catalog)
    write_id = uuid.uuid4()
    for number, batches in enumerate(_chunks(rows)):
        task = WriteTask(write_uuid=write_id, task_id=number, schema=table.schema(), record_batches=batches)
        yield from write_file(table.io, table.metadata, iter([task]))


def rows_outside(table: Table, replaced: Slices) -> tuple[pa.RecordBatchReader, list[DataFile]]:
    """Return the rows to keep and the files to remove for a replacement.

    A file is removed if it holds rows inside `replaced` or is covered by delete files. Its other rows are kept.

    Returns
    -------
    A reader over the rows to keep, with one file in memory at a time, and the files to remove.

    Raises
    ------
    PermanentError
        If the table has equality deletes.
    """
    is_covered = has_delete_files(table)
    tasks = list(table.scan(row_filter=replaced.matching()).plan_files())
    if is_covered and replaced.column is not None:
        matching = {task.file.file_path for task in tasks}
        covered = [task for task in table.scan().plan_files() if task.delete_files]
        tasks += [task for task in covered if task.file.file_path not in matching]
    kept = tasks if replaced.column is not None else []
    return rows_of(table, kept, replaced.outside()), [task.file for task in tasks]


def rows_of(table: Table, tasks: Sequence[FileScanTask], condition: BooleanExpression) -> pa.RecordBatchReader:
    """Return the rows of these files that meet the condition, without deleted rows.

    Returns
    -------
    A reader with the table's Arrow schema, with one file in memory at a time.
    """
    schema = table.schema().as_arrow()
    scan = ArrowScan(table.metadata, table.io, table.schema(), condition)

    def batches() -> Iterator[pa.RecordBatch]:
        for task in tasks:
            for batch in scan.to_record_batches([task]):
                # A batch has the types of its file, such as string instead of large_string, and the reader does not
                # check types.
                yield from pa.Table.from_batches([batch]).cast(schema).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


def _chunks(rows: Rows) -> Iterator[list[pa.RecordBatch]]:
    batches: list[pa.RecordBatch] = []
    size = 0
    for batch in rows.to_batches() if isinstance(rows, pa.Table) else rows:
        if batch.num_rows == 0:
            continue
        batches.append(batch)
        size += batch.nbytes
        if size >= ARROW_BYTES_PER_FILE:
            yield batches
            batches, size = [], 0
    if batches:
        yield batches
