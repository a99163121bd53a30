"""Creates lakes polled every two minutes for weeks, with the real append path and maintenance, under a moved clock.

The lakes grow with or without maintenance, and costs are recorded on the way. `time.perf_counter` is not moved, so
the costs are real.
"""

import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import time_machine

from foss_platform.cli.shared.pages import find_feed
from foss_platform.ingest.bronze.poll_once import ingest_poll
from foss_platform.ingest.http.fetch import Answer
from foss_platform.ingest.poll.batch import Cause, scheduled
from foss_platform.ingest.poll.poll import Poll, judge_answer
from foss_platform.ingest.records.contract import contract_judge
from foss_platform.lake.connect.catalog import open_catalog, warehouse_folder
from foss_platform.lake.maintenance.health import table_health
from foss_platform.lake.maintenance.maintain import maintain
from foss_platform.lake.table.tables import list_tables, load_table
from foss_platform_tests.benchmarks.ingest.polls import PACE, PIPELINE, SITES, made_up_body
from foss_platform_tests.benchmarks.measure import BenchmarkError, settings_of

POLLS_PER_CARE = timedelta(hours=3) // PACE
#: Number of polls compared: the 100th to the 200th poll of a lake, and the last hundred.
COMPARED = 100

# later than the modification times of the files, which are set by the machine's clock
_START = datetime(2044, 1, 1, tzinfo=UTC)
_LAST = 20


class Cost(NamedTuple):
    """Cost of an operation. A busy machine distorts processor time less than wall time."""

    seconds: float
    processor_seconds: float


class PolledLake:
    """A lake and the number of its polls."""

    def __init__(self, home: str, clock: time_machine.Traveller) -> None:
        self._settings = settings_of(home)
        self._clock = clock
        self._catalog = open_catalog(self._settings)
        self._feed = find_feed(PIPELINE)
        self._judge = contract_judge(self._feed)
        self.polls = 0

    @property
    def now(self) -> datetime:
        """Time of the next poll."""
        return _START + self.polls * PACE

    def poll(self) -> Cost:
        """Commit the next poll: validation, bronze and its row in the log."""
        judged = self._judged()
        self._clock.move_to(self.now)
        began = _clocks()
        taken = ingest_poll(self._catalog, self._feed, judged.cause, lambda _: judged, {})
        cost = _since(began)
        if taken.written is None or taken.written.rows != len(SITES):
            raise BenchmarkError(f"Poll {self.polls} was not committed: {taken}")
        self.polls += 1
        return cost

    def maintenance(self) -> dict[str, Cost]:
        """Maintain all tables as the schedule does. Return the cost by table."""
        self._clock.move_to(self.now)
        costs = {}
        for name in list_tables(self._catalog):
            began = _clocks()
            maintain(self._catalog, name, self.now, trigger="maintenance")
            costs[str(name)] = _since(began)
        return costs

    def state(self) -> dict[str, float]:
        """Return the size of bronze's metadata and data, and of the warehouse on disk."""
        health = table_health(load_table(self._catalog, self._feed.bronze))
        sizes = [file.stat().st_size for file in warehouse_folder(self._settings).rglob("*") if file.is_file()]
        return {
            "polls": self.polls,
            "live snapshots": health.live_snapshots,
            "data files": health.data_files,
            "manifests": health.manifests,
            "metadata bytes": health.metadata_bytes,
            "bytes of bronze's rows": health.data_bytes,
            "bytes on disk": sum(sizes),
            "files on disk": len(sizes),
        }

    def _judged(self) -> Poll:
        cause: Cause = scheduled(self._feed.name, self.now)
        answer = Answer(made_up_body(self.now), 200, self.now, duration_seconds=0.05, tries=1)
        return judge_answer(self._feed, self._judge, lambda _: cause, "http://127.0.0.1/parking.json", answer)


def maintained(home: str, count: int, limit_seconds: float) -> dict[str, Any]:
    """Poll a new lake `count` times with scheduled maintenance. The last polls alternate with those of a young lake.

    Parameters
    ----------
    limit_seconds
        Time limit after which the last polls begin, even if fewer polls were made.

    Returns
    -------
    Costs of each poll, costs of each maintenance by table, intermediate states, and the costs of the polls
    that were compared alternately.
    """
    costs, maintenance, states = [], [], []
    young_home = f"{home}-young"
    began = time.perf_counter()
    with _moved_clock() as clock:
        lake = PolledLake(home, clock)
        while lake.polls < count - COMPARED and time.perf_counter() - began < limit_seconds:
            costs.append(lake.poll())
            if lake.polls % POLLS_PER_CARE == 0:
                maintenance.append(lake.maintenance())
            if _is_looked_at(lake.polls):
                states.append(lake.state())
        young = PolledLake(young_home, clock)
        for _ in range(COMPARED):
            young.poll()
            if young.polls % POLLS_PER_CARE == 0:
                young.maintenance()
        in_turn: dict[str, list[Cost]] = {"young": [], "old": []}
        young_maintenance = []
        for _ in range(COMPARED):
            in_turn["young"].append(young.poll())
            in_turn["old"].append(lake.poll())
            if young.polls % POLLS_PER_CARE == 0:
                young_maintenance.append(young.maintenance())
            if lake.polls % POLLS_PER_CARE == 0:
                maintenance.append(lake.maintenance())
        lake.maintenance()
        states.append(lake.state())
    shutil.rmtree(young_home)
    return {
        "costs": costs + in_turn["old"],
        "cares": maintenance,
        "young cares": young_maintenance,
        "states": states,
        "in turn": in_turn,
    }


def neglected(home: str, count: int, limit_seconds: float) -> dict[str, Any]:
    """Poll a new lake without expiry, pins, compaction and maintenance, until a poll takes too much processor time."""
    costs: list[Cost] = []
    states = []
    with _moved_clock() as clock, _no_maintenance():
        lake = PolledLake(home, clock)
        lately = 0.0
        while lake.polls < count and lately < limit_seconds:
            costs.append(lake.poll())
            lately = statistics.median(cost.processor_seconds for cost in costs[-_LAST:])
            if _is_looked_at(lake.polls):
                states.append(lake.state())
        states.append(lake.state())
    shutil.rmtree(Path(home))
    return {"costs": costs, "states": states}


def _is_looked_at(polls: int) -> bool:
    """Return whether to record the state: ever less often, for a logarithmic axis. Odd numbers cover all phases."""
    return polls % (2 ** (polls.bit_length() // 2) - 1 if polls > 64 else 5) == 0


def _clocks() -> Cost:
    return Cost(time.perf_counter(), time.process_time())


def _since(began: Cost) -> Cost:
    now = _clocks()
    return Cost(now.seconds - began.seconds, now.processor_seconds - began.processor_seconds)


def _moved_clock() -> time_machine.travel:
    # the clock ticks, so that the commits of one poll are not all in the same millisecond
    return time_machine.travel(_START, tick=True)


@contextmanager
def _no_maintenance() -> Iterator[None]:
    """Turn off the limit on live snapshots, which no policy can do."""
    with ExitStack() as stack:
        stack.enter_context(patch("foss_platform.lake.commit.commit_with_retry.expire_surplus"))
        stack.enter_context(patch("foss_platform.lake.commit.commit_with_retry.pin_state"))
        stack.enter_context(patch("foss_platform.lake.build.commit_and_compact.is_due", return_value=False))
        yield
