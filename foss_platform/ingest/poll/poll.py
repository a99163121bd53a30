"""Polls a feed for a cause, checks each record against the contract, and returns a batch that can be committed.

A failed poll is also a batch. It has no rows, and the poll log contains its error.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from foss_platform.errors import FossError, PermanentError, TransientError
from foss_platform.ingest.formats.json_records import UnreadableBodyError, content_hash, find_records, parse_body
from foss_platform.ingest.http.addresses import safe_url
from foss_platform.ingest.http.clock import Clock
from foss_platform.ingest.http.fetch import Answer, FetchError, fetch
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.batch import Cause, CauseKind, recorded
from foss_platform.ingest.records.contract import Accepted, Judge, Rejected, contract_judge

if TYPE_CHECKING:
    import requests

#: The number of bytes of an unreadable body that the poll log keeps.
MAX_KEPT_BODY_BYTES = 1_000_000


class PollStatus(StrEnum):
    """The outcome of an attempt."""

    ACCEPTED = "accepted"
    FAILED = "failed"


@dataclass(frozen=True)
class Poll:
    """A poll whose records have been checked against the contract.

    Attributes
    ----------
    accepted, rejected
        Pairs of the record's index in the poll and its verdict.
    log
        The row of `ops.polls`, by column.
    error
        Why the poll failed. None for an accepted poll.
    """

    cause: Cause
    polled_at: datetime
    source: str
    log: dict[str, Any]
    accepted: list[tuple[int, Accepted]] = field(default_factory=list)
    rejected: list[tuple[int, Rejected]] = field(default_factory=list)
    error: FossError | None = None


class FeedPoller:
    """Polls one feed and checks its records, with the given clock and HTTP session."""

    def __init__(self, feed: Feed, session: "requests.Session", clock: Clock, *, trust_date: bool = False) -> None:
        self._feed = feed
        self._session = session
        self._clock = clock
        self._trust_date = trust_date
        self._judge = contract_judge(feed)

    def poll(self, cause: Cause) -> Poll:
        """Fetch the feed and check its records. A failure of the feed is not raised: the returned poll contains it."""
        source = safe_url(self._feed.source.effective_url())
        try:
            answer = fetch(self._feed.source, self._session, self._clock, trust_date=self._trust_date)
        except FetchError as error:
            return _failed(self._feed, cause, source, error.answer, error)
        return judge_answer(self._feed, self._judge, lambda _: cause, source, answer)


def judge_recorded(feed: Feed, judge: Judge, source: str, polled_at: datetime, body: bytes, http_status: int) -> Poll:
    """Check a recorded body as if it had been polled at that time. Time and content determine the batch's id."""
    answer = Answer(body, http_status, polled_at, duration_seconds=0.0, tries=0)

    def cause(digest: str) -> Cause:
        return recorded(feed.name, polled_at, digest)

    if http_status != 200:
        error = PermanentError(f"The recording has a response with HTTP {http_status}.")
        return _failed(feed, cause(hashlib.sha256(body).hexdigest()), source, answer, error)
    return judge_answer(feed, judge, cause, source, answer)


def judge_answer(feed: Feed, judge: Judge, cause_of: Callable[[str], Cause], source: str, answer: Answer) -> Poll:
    """Check the records of a response with HTTP status 200. `cause_of` is called with the hash of the content."""
    try:
        payload = parse_body(answer.body)
    except UnreadableBodyError as error:
        return _failed(feed, cause_of(hashlib.sha256(answer.body).hexdigest()), source, answer, error)
    digest = content_hash(payload)
    cause = cause_of(digest)
    try:
        records = find_records(payload, feed.source.records)
    except UnreadableBodyError as error:
        return _failed(feed, cause, source, answer, error, digest)
    polled_at = answer.received_at
    accepted: list[tuple[int, Accepted]] = []
    rejected: list[tuple[int, Rejected]] = []
    for index, record in enumerate(records):
        verdict = judge(record, polled_at)
        if isinstance(verdict, Accepted):
            accepted.append((index, verdict))
        else:
            rejected.append((index, verdict))
    refusal: FossError | None = None
    if not accepted:
        first = rejected[0][1].reason
        refusal = PermanentError(
            f"All {len(rejected)} records of the poll break the contract. The first: {first}.",
            f"See {feed.rejected}, then correct the contract on the page, or wait until the feed is correct again.",
        )
    log = _log_row(feed, cause, source, answer, digest, refusal)
    log["records_accepted"] = len(accepted)
    log["records_rejected"] = len(rejected)
    log["newest_data_time"] = max([verdict.data_time for _, verdict in accepted], default=None)
    return Poll(cause, polled_at, source, log, accepted, rejected, refusal)


def _failed(feed: Feed, cause: Cause, source: str, answer: Answer, error: FossError, digest: str | None = None) -> Poll:
    log = _log_row(feed, cause, source, answer, digest, error)
    # keep the body only if its status promised readable data
    if answer.body and answer.http_status == 200:
        log["body"] = answer.body[:MAX_KEPT_BODY_BYTES]
    return Poll(cause, answer.received_at, source, log, error=error)


def _log_row(
    feed: Feed, cause: Cause, source: str, answer: Answer, digest: str | None, error: FossError | None
) -> dict[str, Any]:
    is_replay = cause.kind is CauseKind.RECORDING
    return {
        "pipeline": feed.name,
        "batch_id": cause.batch_id,
        "cause": cause.kind.value,
        "polled_at": answer.received_at,
        "status": (PollStatus.ACCEPTED if error is None else PollStatus.FAILED).value,
        "source": source,
        "http_status": answer.http_status,
        "http_tries": None if is_replay else answer.tries,
        "duration_seconds": None if is_replay else answer.duration_seconds,
        "body_bytes": len(answer.body),
        "content_hash": digest or (hashlib.sha256(answer.body).hexdigest() if answer.body else None),
        "records_accepted": 0,
        "records_rejected": 0,
        "newest_data_time": None,
        "error": None if error is None else str(error),
        "error_class": None if error is None else ("transient" if isinstance(error, TransientError) else "permanent"),
        "body": None,
    }
