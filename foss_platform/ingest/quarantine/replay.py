"""Replays the quarantine after the contract or the code was corrected.

A replayed record keeps its batch, index and poll time. If bronze already contains this batch and index, the record is
not added again, so each record is replayed exactly once. Bodies that could not be read are replayed from `ops.polls`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.expressions import And, BooleanExpression
from pyiceberg.table import Table

from foss_platform.ingest.bronze.commit_polls import (
    commit_polls,
    commit_tables,
    complete_poll_log,
    ensure_feed_tables,
)
from foss_platform.ingest.bronze.poll_changes import bronze_rows, log_rows
from foss_platform.ingest.bronze.present_batches import distinct
from foss_platform.ingest.bronze.schemas import POLLS
from foss_platform.ingest.formats.json_records import UnreadableBodyError, parse_body
from foss_platform.ingest.http.fetch import Answer
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.batch import Cause, CauseKind
from foss_platform.ingest.poll.poll import Poll, PollStatus, judge_answer
from foss_platform.ingest.quarantine.quarantine import State, quarantined
from foss_platform.ingest.records.contract import Accepted, contract_judge
from foss_platform.lake.build.commit_and_compact import Change, TableChange
from foss_platform.lake.files.conditions import at_least, equal, is_present, one_of
from foss_platform.lake.table.tables import find_table


@dataclass
class QuarantineReplay:
    """The result of a replay, or of a dry run.

    Attributes
    ----------
    still_refused
        The number of records and bodies that the contract still refuses, by reason.
    """

    records: int = 0
    bodies: int = 0
    rows_of_bodies: int = 0
    still_refused: dict[str, int] = field(default_factory=dict)

    def refuse(self, reason: str) -> None:
        """Count a record or body that remains in quarantine."""
        self.still_refused[reason] = self.still_refused.get(reason, 0) + 1


def replay_quarantine(
    catalog: Catalog,
    feed: Feed,
    summary: Mapping[str, str],
    *,
    since: datetime | None = None,
    reason: str | None = None,
    dry_run: bool = False,
) -> QuarantineReplay:
    """Replay the quarantined records and the unreadable bodies that the current contract accepts."""
    if not dry_run:
        ensure_feed_tables(catalog, feed)
        complete_poll_log(catalog, feed, summary)
    result = QuarantineReplay()
    judge = contract_judge(feed)
    accepted: dict[tuple[str, datetime, str], list[tuple[int, Accepted]]] = {}
    for record in quarantined(catalog, feed, since, reason):
        if record.state is not State.WAITING:
            continue
        verdict = judge(_parsed(record.record), record.polled_at)
        if isinstance(verdict, Accepted):
            key = (record.batch_id, record.polled_at, record.source)
            accepted.setdefault(key, []).append((record.record_index, verdict))
            result.records += 1
        else:
            result.refuse(verdict.reason)
    if accepted and not dry_run:
        _commit_records(catalog, feed, accepted, summary)
    for poll in _unread_bodies(catalog, feed, since, reason):
        if poll.error is not None:
            result.refuse(poll.error.problem)
            continue
        result.bodies += 1
        result.rows_of_bodies += len(poll.accepted)
        if not dry_run:
            commit_polls(catalog, feed, [poll], {**summary, "foss.replayed": "body"})
    return result


def _commit_records(
    catalog: Catalog,
    feed: Feed,
    accepted: Mapping[tuple[str, datetime, str], list[tuple[int, Accepted]]],
    summary: Mapping[str, str],
) -> None:
    ids = {batch_id for batch_id, _, _ in accepted}
    polls = [
        Poll(Cause(_kind(batch_id), batch_id), polled_at, source, {}, accepted=records)
        for (batch_id, polled_at, source), records in accepted.items()
    ]

    def plan(table: Table) -> Change | None:
        present = distinct(table, one_of("_batch_id", ids), "_batch_id", "_record_index")
        fresh = [_without(poll, present) for poll in polls]
        fresh = [poll for poll in fresh if poll.accepted]
        rows = bronze_rows(feed, table, fresh) if fresh else None
        return Change(rows, summary={**summary, "foss.replayed": "records"}) if rows is not None else None

    def log(table: Table) -> Change | None:
        return log_rows(table, _batches_that_came_in(table, polls), {**summary, "foss.replayed": "records"})

    commit_tables(catalog, [TableChange(feed.bronze, plan), TableChange(POLLS, log)])


def _batches_that_came_in(log: Table, polls: list[Poll]) -> list[dict[str, Any]]:
    """For each failed poll of which records are now in bronze, return the log row of an accepted poll."""
    wanted = {poll.cause.batch_id: poll for poll in polls}
    condition = one_of("batch_id", set(wanted))
    rows: list[dict[str, Any]] = log.scan(row_filter=condition).to_arrow().to_pylist()
    in_already = {row["batch_id"] for row in rows if row["status"] == PollStatus.ACCEPTED.value}
    came_in = []
    for row in rows:
        poll = wanted[row["batch_id"]]
        if row["batch_id"] in in_already or row["polled_at"] != poll.polled_at:
            continue
        newest = max(verdict.data_time for _, verdict in poll.accepted)
        count = len(poll.accepted)
        came_in.append(
            {
                **row,
                "status": PollStatus.ACCEPTED.value,
                "records_accepted": count,
                "records_rejected": row["records_rejected"] - count,
                "newest_data_time": newest,
                "error": None,
                "error_class": None,
                "body": None,
            }
        )
    return came_in


def _unread_bodies(catalog: Catalog, feed: Feed, since: datetime | None, reason: str | None) -> Iterator[Poll]:
    """Yield failed polls with their records checked again, if the log has the whole body and bronze not the batch."""
    log, bronze = find_table(catalog, POLLS), find_table(catalog, feed.bronze)
    if log is None or log.current_snapshot() is None:
        return
    condition: BooleanExpression = And(equal("pipeline", feed.name), is_present("body"))
    if since is not None:
        condition = And(condition, at_least("polled_at", since.isoformat()))
    judge = contract_judge(feed)
    for batch in log.scan(row_filter=condition).to_arrow_batch_reader():
        for row in batch.to_pylist():
            if len(row["body"]) != row["body_bytes"] or (reason is not None and reason not in row["error"]):
                continue
            batch_id = row["batch_id"]
            if bronze is not None and distinct(bronze, one_of("_batch_id", {batch_id}), "_batch_id"):
                continue
            cause = Cause(CauseKind(row["cause"]), batch_id)
            seconds, tries = row["duration_seconds"] or 0.0, row["http_tries"] or 0
            answer = Answer(row["body"], row["http_status"], row["polled_at"], seconds, tries)
            yield judge_answer(feed, judge, lambda _, cause=cause: cause, row["source"], answer)  # type: ignore[misc]


def _parsed(text: str) -> Any:
    try:
        return parse_body(text.encode())
    except UnreadableBodyError:
        return json.loads(text)


def _kind(batch_id: str) -> CauseKind:
    return CauseKind(batch_id.split("/")[1])


def _without(poll: Poll, present: set[tuple[Any, ...]]) -> Poll:
    left = [(index, verdict) for index, verdict in poll.accepted if (poll.cause.batch_id, index) not in present]
    return Poll(poll.cause, poll.polled_at, poll.source, poll.log, accepted=left)
