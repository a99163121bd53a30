"""Runs the same operations on two kinds of lake: SQLite with a folder, and Postgres with MinIO.

The measuring process starts and ends the servers and lakes itself, so no secret has to be passed to it.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from foss_platform.cli.shared.pages import find_feed
from foss_platform.ingest.bronze.poll_once import ingest_poll
from foss_platform.ingest.http.fetch import Answer
from foss_platform.ingest.poll.batch import Cause, scheduled
from foss_platform.ingest.poll.poll import judge_answer
from foss_platform.ingest.recording.recording import RecordedPoll
from foss_platform.ingest.recording.replay import replay
from foss_platform.ingest.records.contract import contract_judge
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.maintenance.maintain import maintain
from foss_platform.lake.move.check import fingerprint
from foss_platform.lake.table.tables import list_tables, load_table
from foss_platform.transform.project.folders import target_folder
from foss_platform.transform.project.parsed import prepare_project
from foss_platform.transform.runner import build
from foss_platform_tests.benchmarks.ingest.polls import PACE, PIPELINE, SITES, bulk, made_up_body
from foss_platform_tests.benchmarks.measure import BenchmarkError, settings_of
from foss_platform_tests.services.lakes import Kind, Lake, made_lake, set_environment
from foss_platform_tests.services.servers.minio import Minio
from foss_platform_tests.services.servers.postgres import Postgres
from foss_platform_tests.services.servers.process import running

#: The two sides, in the order in which they run. The servers are compared with the folder.
SIDES = {"folder": Kind.SQLITE_FOLDER, "servers": Kind.POSTGRES_MINIO}

#: Seconds by side and operation. `removed` is the number of files deleted by maintenance.
Seconds = dict[str, dict[str, list[float]]]

_MEMORY_LIMIT = "4GB"
_BUILT = ("silver", "gold")


class Sizes(NamedTuple):
    """Sizes of a round: replayed polls, single warm-up polls, and single polls that are measured."""

    replayed: int
    warm: int
    single: int


class WorkedLake:
    """A lake with timed operations. Each operation returns its seconds."""

    def __init__(self, lake: Lake, parsed: Path) -> None:
        self._environment = {**lake.environment, "FOSS_DUCKDB_MEMORY_LIMIT": _MEMORY_LIMIT}
        with self._named():
            self._settings = lake.settings
            self._catalog = open_catalog(self._settings)
        # parsing takes seconds and is the same for all lakes
        shutil.copytree(parsed, target_folder(self._settings))
        self._feed = find_feed(PIPELINE)
        self._judge = contract_judge(self._feed)
        self.removed = 0

    def replay(self, polls: list[RecordedPoll]) -> float:
        """Replay recorded polls in one call."""
        began = time.perf_counter()
        taken = replay(self._catalog, self._feed, polls, "recording:benchmark", {})
        seconds = time.perf_counter() - began
        if taken.new_polls != len(polls):
            raise BenchmarkError(f"Only {taken.new_polls} of {len(polls)} polls were committed.")
        return seconds

    def poll(self, polled_at: datetime) -> float:
        """Commit one poll: validation, bronze and its row in the log."""
        cause: Cause = scheduled(self._feed.name, polled_at)
        answer = Answer(made_up_body(polled_at), 200, polled_at, duration_seconds=0.05, tries=1)
        judged = judge_answer(self._feed, self._judge, lambda _: cause, "http://127.0.0.1/parking.json", answer)
        began = time.perf_counter()
        taken = ingest_poll(self._catalog, self._feed, cause, lambda _: judged, {})
        seconds = time.perf_counter() - began
        if taken.written is None or taken.written.rows != len(SITES):
            raise BenchmarkError(f"The poll of {polled_at} was not committed: {taken}")
        return seconds

    def rebuild(self) -> float:
        """Rebuild silver and gold from all of bronze."""
        with self._named():
            began = time.perf_counter()
            results = list(build(self._settings, full_refresh=True))
            seconds = time.perf_counter() - began
        if failed := [result for result in results if result.status.is_failure]:
            raise BenchmarkError(f"{failed[0].unique_id}: {failed[0].message}")
        return seconds

    def clean_up(self) -> float:
        """Maintain all tables fully, without retaining new unreferenced files."""
        names = list_tables(self._catalog)
        began = time.perf_counter()
        for name in names:
            done = maintain(self._catalog, name, datetime.now(UTC), trigger="command", older_than=timedelta())
            self.removed += len(done.removal.files)
        return time.perf_counter() - began

    def content(self) -> dict[str, str]:
        """Return a hash of the rows of silver and gold, independent of their files."""
        names = [name for name in list_tables(self._catalog) if name.namespace in _BUILT]
        return {str(name): str(fingerprint(load_table(self._catalog, name))) for name in names}

    @contextmanager
    def _named(self) -> Iterator[None]:
        # dbt finds the lake through the environment, and both sides run in one process
        with pytest.MonkeyPatch.context() as patch:
            set_environment(patch, self._environment)
            yield


def measure(rounds: list[Sizes]) -> list[Seconds]:
    """Start the servers. In each round, run all operations alternately on both sides, from two empty lakes."""
    # beside the servers' own folders, so that both sides write to the same disk
    with running(Postgres()) as postgres, running(Minio()) as minio, TemporaryDirectory(prefix="foss-store-") as place:
        plain = settings_of(Path(place) / "parsed")
        prepare_project(plain)
        found = []
        for number, sizes in enumerate(rounds):
            with ExitStack() as stack:
                lakes = {}
                for side, kind in SIDES.items():
                    home = Path(place) / f"{side}{number}"
                    made = stack.enter_context(made_lake(kind, home, postgres, minio))
                    lakes[side] = WorkedLake(made, target_folder(plain))
                found.append(_work(lakes, sizes))
        return found


def _work(lakes: dict[str, WorkedLake], sizes: Sizes) -> Seconds:
    found: Seconds = {side: {} for side in lakes}

    def in_turn(what: str, work: Callable[[WorkedLake], float]) -> None:
        for side, lake in lakes.items():
            found[side].setdefault(what, []).append(work(lake))

    polls = bulk(sizes.replayed)
    in_turn("replay", lambda lake: lake.replay(polls))
    newest = polls[-1].polled_at.replace(second=0, microsecond=0)
    for number in range(1, sizes.warm + sizes.single + 1):
        moment = newest + number * PACE
        in_turn("append" if number > sizes.warm else "warm", partial(WorkedLake.poll, polled_at=moment))
    # the first build creates the tables
    in_turn("build", WorkedLake.rebuild)
    in_turn("rebuild", WorkedLake.rebuild)
    in_turn("clean-up", WorkedLake.clean_up)
    in_turn("removed", lambda lake: lake.removed)
    one, other = (lake.content() for lake in lakes.values())
    if one != other or not one:
        raise BenchmarkError(f"The two sides differ: {one}, {other}")
    return found
