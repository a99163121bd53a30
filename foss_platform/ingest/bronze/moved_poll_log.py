"""Rows of the poll log that a move of the lake must copy from bronze's snapshots. See `lake.move.move_lake`."""

import json
from collections.abc import Mapping

from pyiceberg.table import Table

from foss_platform.ingest.bronze.poll_log import SUMMARY_LOG
from foss_platform.ingest.bronze.schemas import POLLS
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.positions import consumed_positions


def pending_log_rows(tables: Mapping[TableName, Table]) -> dict[TableName, dict[str, str]]:
    """Return, by bronze table, the log rows in the summaries of snapshots that are newer than the last complete log.

    The move writes these rows to the summary of the snapshot with the copied rows. The first poll in the new lake adds
    them to the log, as the next poll in this lake would have done. Rows that the log already contains are not added
    again.
    """
    polls = tables.get(POLLS)
    whole = consumed_positions(polls) if polls is not None else {}
    owed = {}
    for name, table in tables.items():
        if name.namespace != "bronze":
            continue
        uuid, until = whole.get(str(name), ("", 0))
        until = until if uuid == str(table.metadata.table_uuid) else 0
        rows = [
            row
            for snapshot in table.snapshots()
            if snapshot.summary is not None and (snapshot.sequence_number or 0) > until
            for row in json.loads(snapshot.summary.additional_properties.get(SUMMARY_LOG, "[]"))
        ]
        if rows:
            owed[name] = {SUMMARY_LOG: json.dumps(rows)}
    return owed
