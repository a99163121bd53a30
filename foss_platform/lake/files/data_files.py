"""Writing rows into data files, and reading back what a replacement must keep. Not here: commits.

Only public names of PyIceberg are used; `write_file` and `ArrowScan` are documented in its API
reference (https://py.iceberg.apache.org/reference/pyiceberg/io/pyarrow/).
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
from foss_platform.lake.ownership.ownership import require_own

Rows = pa.Table | pa.RecordBatchReader

#: Rows of one data file while still in memory; as Parquet about a fifth to a tenth of it.
ARROW_BYTES_PER_FILE = 192 * 1024 * 1024

#: Table property: rows of a file that was full. Whatever its bytes, such a file cannot become larger.
FULL_ROWS_PROPERTY = "foss.full-file.rows"


@dataclass(frozen=True)
class Slices:
    """The existing rows that a commit replaces: those whose `column` lies in one of the half-open `spans`.

    Attributes
    ----------
    column
        A `timestamptz` or `date` column; None stands for every row of the table.
    spans
        Pairs (from, before) as ISO 8601 text, as PyIceberg's literals take them.
    """

    column: str | None
    spans: tuple[tuple[str, str], ...] = ()

    def matching(self) -> BooleanExpression:
        """The rows inside."""
        if self.column is None:
            return AlwaysTrue()
        inside: BooleanExpression = AlwaysFalse()
        for start, before in self.spans:
            inside = Or(inside, And(at_least(self.column, start), below(self.column, before)))
        return inside

    def outside(self) -> BooleanExpression:
        """The rows to keep, those without a value included: NOT of a comparison with null is null, and drops them."""
        return AlwaysFalse() if self.column is None else Or(is_missing(self.column), Not(self.matching()))


EVERY_ROW = Slices(column=None)


@dataclass(frozen=True)
class DataFiles:
    """The files that a commit adds and removes; where it removes any, all delete files of the table go besides."""

    added: list[DataFile] = field(default_factory=list)
    removed: list[DataFile] = field(default_factory=list)


def write_data_files(table: Table, rows: Rows) -> list[DataFile]:
    """Write `rows` as Parquet files of the table, in their order; memory is bounded by one file's rows.

    Raises
    ------
    OSError
        When the store refuses; files already written are orphans that nothing refers to.
    """
    return list(written_files(table, rows))


def written_files(table: Table, rows: Rows) -> Iterator[DataFile]:
    """As `write_data_files`, each file as soon as it is written."""
    # before the first file, which a refused commit would leave behind among another lake's
    require_own(table.catalog)
    write_id = uuid.uuid4()
    for number, batches in enumerate(_chunks(rows)):
        task = WriteTask(write_uuid=write_id, task_id=number, schema=table.schema(), record_batches=batches)
        yield from write_file(table.io, table.metadata, iter([task]))


def rows_outside(table: Table, replaced: Slices) -> tuple[pa.RecordBatchReader, list[DataFile]]:
    """What the files that hold rows inside `replaced` also hold, and these files; also those that delete files cover.

    Returns
    -------
    A reader over the rows to keep, one file in memory at a time, and the files to remove.

    Raises
    ------
    LastingError
        When the table holds equality deletes.
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
    """The rows of these files that meet the condition, without those that delete files take away.

    Returns
    -------
    A reader with the table's Arrow schema, one file in memory at a time.
    """
    schema = table.schema().as_arrow()
    scan = ArrowScan(table.metadata, table.io, table.schema(), condition)

    def batches() -> Iterator[pa.RecordBatch]:
        for task in tasks:
            for batch in scan.to_record_batches([task]):
                # a file's own types come here, such as string for large_string, and a reader does not check
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
