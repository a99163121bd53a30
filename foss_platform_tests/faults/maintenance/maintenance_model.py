"""A model of a table under maintenance beside the real table, and the checks that compare the two."""

import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant
from pyiceberg.table import Table

from foss_platform.errors import PermanentError
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files.data_files import DataFiles
from foss_platform.lake.maintenance.maintain import maintain
from foss_platform.lake.maintenance.unreferenced_files import Removal
from foss_platform.lake.snapshots.points import point_at
from foss_platform.lake.table.policy import TablePolicy
from foss_platform.lake.table.positions import own_position
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_table
from foss_platform.settings import Settings
from foss_platform_tests.faults.maintenance.table_model import (
    DAY,
    HOUR,
    MILLISECOND,
    NAME,
    SCHEMA,
    Rows,
    State,
    date_files,
    files_below,
    full,
    full_ones,
    now,
    referenced_files,
    rows_at,
    rows_in,
    state_at,
)

START = datetime(2026, 3, 28, 21, 40, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Reader:
    """A reader that has opened a state and has not read it yet."""

    table: Table
    snapshot_id: int
    rows: Rows
    until: datetime


@dataclass(frozen=True)
class SlowWriter:
    """A writer that has written a file and has not committed it yet."""

    files: DataFiles
    rows: Rows
    until: datetime


class MaintenanceModel(RuleBasedStateMachine):
    """The table and its model, `states`. See `maintenance_machine` for the rules."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="maintenance-"))
        self.travel = time_machine.travel(START, tick=False)
        self.clock = self.travel.start()
        self.states: list[State] = []
        self.rows: Rows = ()
        self.ids = 0
        self.expired: set[int] = set()
        self.readers: list[Reader] = []
        self.writers: list[SlowWriter] = []
        self.plans: list[Removal] = []
        self.policy = TablePolicy()
        self.settled = False

    @initialize(keep=st.integers(3, 5))
    def create(self, keep: int) -> None:
        self.policy = TablePolicy(
            keep_commits=keep, keep_hours=6, keep_days=10, compact_at_files=4, keep_unreferenced_hours=2
        )
        self.catalog = open_catalog(Settings(home=self.folder))
        ensure_table(self.catalog, TableSpec(NAME, SCHEMA, key=("id",), cluster_by="at", policy=self.policy))
        self.settled = True

    @invariant()
    def every_retained_moment_is_found(self) -> None:
        if not self.settled:
            return
        date_files(self._root)
        table = self.table
        assert not self.states or self.states[-1].snapshot_id == table.metadata.current_snapshot_id
        for moment in self._retained_moments():
            expected = self._state_at(moment)
            assert expected is not None
            assert point_at(table, moment).snapshot_id == expected.snapshot_id, moment

    def teardown(self) -> None:
        try:
            if self.settled:
                self._settle()
        finally:
            self.travel.stop()
            shutil.rmtree(self.folder)

    def _settle(self) -> None:
        """Check that after maintenance no unreferenced file is left and every state is readable or refused."""
        self._change(lambda: maintain(self.catalog, NAME, now(), trigger="maintenance"), self.rows)
        self.clock.shift(self.policy.keep_unreferenced)
        self._change(lambda: maintain(self.catalog, NAME, now(), trigger="maintenance"), self.rows)
        loose = files_below(self._root) - referenced_files(self.table, self._root)
        self.clock.shift(self.policy.keep_unreferenced)
        self._change(lambda: maintain(self.catalog, NAME, now(), trigger="maintenance"), self.rows)
        assert not loose & files_below(self._root)
        self._settle_without_retention()
        for state in self.states:
            for moment in (state.since, full(state.since, HOUR) + HOUR, full(state.since, DAY) + DAY):
                for near in (moment - INSTANT, moment, moment + INSTANT):
                    self._refused_or_right(min(near, now()))

    def _change(self, act: Callable[[], object], rows: Rows) -> None:
        """Run an action and record the resulting states, which all contain `rows`."""
        # no two commits share a millisecond, because a commit has to read the previous one first
        self.clock.shift(MILLISECOND)
        before = own_position(self.table)
        act()
        table = self.table
        self.rows = tuple(sorted(rows))
        for snapshot in sorted(table.snapshots(), key=lambda snapshot: snapshot.sequence_number or 0):
            if (snapshot.sequence_number or 0) > before:
                assert snapshot.timestamp_ms == round(now().timestamp() * 1000)
                self.states.append(State(now(), self.rows, snapshot.snapshot_id))
        assert rows_in(table, None) == self.rows

    def _new_rows(self, days: Iterable[int]) -> Rows:
        rows = []
        for day in days:
            self.ids += 1
            rows.append((self.ids, datetime.combine(now().date(), datetime.min.time(), UTC) - day * DAY))
        return tuple(rows)

    def _state_at(self, moment: datetime) -> State | None:
        return state_at(self.states, moment)

    def _retained_moments(self) -> set[datetime]:
        """Return the retained moments: newest commits, full hours and midnights, from the first commit on."""
        if not self.states:
            return set()
        newest = self.states[-self.policy.keep_commits :]
        commits = {state.since for state in newest if state.snapshot_id not in self.expired}
        # the last of several commits in an instant is the state of that instant, and it may be expired by hand
        gone = {state.since for state in newest if state.snapshot_id in self.expired}
        last = {state.since: state.snapshot_id for state in self.states}
        commits -= {since for since in gone if last[since] in self.expired}
        first = self.states[0].since
        return {moment for moment in full_ones(self.policy, now()) if moment >= first} | commits

    def _refused_or_right(self, moment: datetime) -> None:
        table, expected = self.table, self._state_at(moment)
        try:
            point = point_at(table, moment)
        except PermanentError:
            assert moment not in self._retained_moments()
            return
        assert expected is not None, moment
        assert rows_at(table, point) == expected.rows, moment

    def _read_everything(self) -> None:
        """Read the data files of every retained moment."""
        table = self.table
        read: dict[int, Rows] = {}
        for moment in self._retained_moments():
            point, expected = point_at(table, moment), self._state_at(moment)
            assert expected is not None
            if point.snapshot_id not in read:
                read[point.snapshot_id] = rows_at(table, point)
            assert read[point.snapshot_id] == expected.rows, moment

    def _settle_without_retention(self) -> None:
        self._end_readers_and_writers()
        self._change(
            lambda: maintain(self.catalog, NAME, now(), trigger="command", older_than=timedelta()),
            self.rows,
        )
        assert files_below(self._root) == referenced_files(self.table, self._root)
        self._read_everything()

    def _end_readers_and_writers(self) -> None:
        # a caller that sets no retention time asserts that nobody reads or writes
        self.readers.clear()
        self.writers.clear()

    @property
    def table(self) -> Table:
        return load_table(self.catalog, NAME)

    @property
    def _root(self) -> Path:
        return self.folder / "warehouse" / NAME.namespace / NAME.name

    @property
    def _metadata(self) -> Path:
        return self._root / "metadata"
