"""The changes that polls of one feed make to bronze, quarantine and the poll log. This module commits nothing."""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from pyiceberg.table import Table

from foss_platform.ingest.bronze.present_batches import distinct, present_batches, within
from foss_platform.ingest.bronze.schemas import SEQUENCE_NUMBER, bronze_schema
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.poll import Poll
from foss_platform.lake.commit.change import Change

# An attempt is identified by its batch, poll time and outcome. The outcome is included because a try may fail and its
# retry succeed within one second, which is the resolution of a recorded feed's `Date` header.
_ATTEMPT = ("batch_id", "polled_at", "status")


@dataclass(frozen=True)
class Written:
    """The result of a commit of one feed's polls.

    Attributes
    ----------
    new_batches
        Batches that this commit added.
    known_batches
        Batches that were already committed, so this commit did not add them.
    healed
        Number of polls that an earlier commit left out of the log, and this one added. Always 0 unless the catalog
        commits one table after the other.
    """

    rows: int
    rejected: int
    new_batches: frozenset[str]
    known_batches: frozenset[str]
    healed: int = 0


class PollChanges:
    """The changes for some polls of one feed. `bronze` must be planned first, since the others depend on its result.

    Attributes
    ----------
    new
        Accepted polls whose batches bronze does not have yet, as of the last plan of `bronze`.
    rejected_rows
        Number of records that the last plan of `rejected` adds.
    """

    def __init__(
        self, feed: Feed, polls: Sequence[Poll], summary: Mapping[str, str], searched: str | None = None
    ) -> None:
        self.feed = feed
        self.polls = _first_of_each_batch(polls)
        self.summary = {**summary, "foss.pipeline": feed.name}
        self._searched = searched
        self.new: list[Poll] = []
        self.rejected_rows = 0

    @property
    def accepted(self) -> list[Poll]:
        """The accepted polls."""
        return [poll for poll in self.polls if poll.error is None]

    @property
    def new_batches(self) -> frozenset[str]:
        """The batches that the last plan of `bronze` adds."""
        return frozenset(poll.cause.batch_id for poll in self.new)

    @property
    def known_batches(self) -> frozenset[str]:
        """The batches that were in bronze already."""
        return frozenset(poll.cause.batch_id for poll in self.accepted) - self.new_batches

    @property
    def attempts(self) -> list[Poll]:
        """The polls that count: failed attempts, and accepted polls of new batches."""
        return [poll for poll in self.polls if poll.error is not None or poll.cause.batch_id in self.new_batches]

    def written(self) -> Written:
        """Return the result of a commit of these changes."""
        rows = sum(len(poll.accepted) for poll in self.new)
        return Written(rows, self.rejected_rows, self.new_batches, self.known_batches)

    def outcome(self) -> Hashable:
        """Return what the plans of quarantine and of the poll log depend on besides their tables."""
        return self.new_batches

    def bronze(self, table: Table) -> Change | None:
        """Return the change of bronze: the rows of all batches that it does not have yet."""
        candidates = self.accepted
        is_searched = not candidates or table.metadata_location == self._searched
        present = set() if is_searched else present_batches(table, candidates)
        self.new = [poll for poll in candidates if poll.cause.batch_id not in present]
        if not self.new:
            return None
        counts = {"foss.batches": str(len(self.new)), "foss.first-batch": min(self.new_batches)}
        return Change(bronze_rows(self.feed, table, self.new), summary={**self.summary, **counts})

    def rejected(self, table: Table) -> Change | None:
        """Return the change of quarantine: the rejected records of the attempts."""
        return self.rejected_of(self.attempts, table)

    def rejected_of(self, polls: Sequence[Poll], table: Table) -> Change | None:
        """As `rejected`, of the given polls."""
        holders = [poll for poll in polls if poll.rejected]
        times = [poll.polled_at for poll in holders]
        present = distinct(table, within("_polled_at", times), "_batch_id", "_polled_at") if times else set()
        rows = [
            (poll.cause.batch_id, index, poll.polled_at, poll.source, verdict.reason, verdict.record)
            for poll in holders
            if (poll.cause.batch_id, poll.polled_at) not in present
            for index, verdict in poll.rejected
        ]
        self.rejected_rows = len(rows)
        return Change(_to_arrow(table, zip(*rows, strict=True)), summary=self.summary) if rows else None


def log_rows(
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    summary: Mapping[str, str],
    properties: Mapping[str, str] | None = None,
    new_batches: Collection[str] = (),
) -> Change | None:
    """Return the change of the poll log: those of the attempts that it does not have yet.

    Parameters
    ----------
    new_batches
        Batches of which the log certainly has no accepted poll, so that it need not be read for them.
    """
    unsure = [row["polled_at"] for row in rows if row["error"] is not None or row["batch_id"] not in new_batches]
    present = distinct(table, within("polled_at", unsure), *_ATTEMPT) if unsure else set()
    fresh = [row for row in rows if tuple(row[name] for name in _ATTEMPT) not in present]
    if not fresh:
        return None
    sequence = table.metadata.next_sequence_number()
    records = [{**row, SEQUENCE_NUMBER: sequence} for row in fresh]
    arrow = pa.Table.from_pylist(records, schema=table.schema().as_arrow())
    return Change(arrow, properties=properties or {}, summary=summary)


def bronze_rows(feed: Feed, table: Table, polls: Sequence[Poll]) -> pa.Table:
    """Return the accepted records of polls as rows of bronze, with the sequence number of the commit that adds them."""
    verdicts = [verdict for poll in polls for _, verdict in poll.accepted]
    fields: Iterable[Sequence[Any]] = zip(*(verdict.values for verdict in verdicts), strict=True)
    repeated = [(poll, len(poll.accepted)) for poll in polls]
    columns = (
        *fields,
        [verdict.unknown for verdict in verdicts],
        [poll.polled_at for poll, count in repeated for _ in range(count)],
        [poll.cause.batch_id for poll, count in repeated for _ in range(count)],
        [index for poll in polls for index, _ in poll.accepted],
        [poll.source for poll, count in repeated for _ in range(count)],
        [table.metadata.next_sequence_number()] * len(verdicts),
    )
    # match columns by name, because the page may list the fields in another order than the table
    by_name = dict(zip(bronze_schema(feed).column_names, columns, strict=True))
    return _to_arrow(table, [by_name[name] for name in table.schema().column_names])


def _first_of_each_batch(polls: Sequence[Poll]) -> list[Poll]:
    """Return all failed attempts, and of each batch the first accepted poll. Later polls of a batch change nothing."""
    first: dict[tuple[str, datetime | None], Poll] = {}
    for poll in polls:
        first.setdefault((poll.cause.batch_id, poll.polled_at if poll.error else None), poll)
    return list(first.values())


def _to_arrow(table: Table, columns: Iterable[Sequence[Any]]) -> pa.Table:
    schema = table.schema().as_arrow()
    arrays = [pa.array(values, field.type) for field, values in zip(schema, columns, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
