"""Finds out which batches a table contains by its rows, so the result is right after snapshot expiry and compaction.

Batch ids sort by time, so column statistics limit the files that are read.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pyiceberg.expressions import And, BooleanExpression
from pyiceberg.table import Table

from foss_platform.ingest.poll.batch import CauseKind
from foss_platform.ingest.poll.poll import Poll
from foss_platform.lake.files.conditions import at_least, at_most, one_of
from foss_platform.lake.store.failures import lake_failures

Key = tuple[Any, ...]

# PyIceberg ignores statistics if a set has more values than this
_IDS_PER_SCAN = 200


def present_batches(table: Table, polls: Sequence[Poll]) -> set[str]:
    """Return which batches of the polls have rows in bronze."""
    recorded = [poll.polled_at for poll in polls if poll.cause.kind is CauseKind.RECORDING]
    # a live batch is searched by id, because an earlier try may have committed it with another poll time; a recorded
    # batch has a single poll time
    live = [poll.cause.batch_id for poll in polls if poll.cause.kind is not CauseKind.RECORDING]
    found = batches_in(table, live)
    if recorded:
        found |= {key[0] for key in distinct(table, within("_polled_at", recorded), "_batch_id")}
    return found


def batches_in(table: Table, batch_ids: Sequence[str]) -> set[str]:
    """Return which of these batches have rows in bronze."""
    found: set[str] = set()
    for start in range(0, len(batch_ids), _IDS_PER_SCAN):
        wanted = one_of("_batch_id", batch_ids[start : start + _IDS_PER_SCAN])
        found |= {key[0] for key in distinct(table, wanted, "_batch_id")}
    return found


def distinct(table: Table, condition: BooleanExpression, *columns: str) -> set[Key]:
    """Return the distinct values of `columns` in the matching rows. Times are UTC. Reads one record batch at a time."""
    if table.current_snapshot() is None:
        return set()
    found: set[Key] = set()
    with lake_failures():
        for batch in table.scan(row_filter=condition, selected_fields=columns).to_arrow_batch_reader():
            unique = pa.Table.from_batches([batch]).group_by(list(columns)).aggregate([])
            found.update(zip(*(_python_values(unique[name]) for name in columns), strict=True))
    return found


def within(column: str, times: Sequence[datetime]) -> BooleanExpression:
    """Return the condition that a column is between the first and the last of the times."""
    return And(at_least(column, min(times).isoformat()), at_most(column, max(times).isoformat()))


def _python_values(column: "pa.ChunkedArray[Any]") -> list[Any]:
    values: list[Any] = column.to_pylist()
    # Arrow's values have another zone object; they are converted because callers expect datetime.UTC
    return [value.astimezone(UTC) for value in values] if pa.types.is_timestamp(column.type) else values
