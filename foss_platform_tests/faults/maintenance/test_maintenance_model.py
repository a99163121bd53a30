"""Maintenance against a plain model: whatever happens in whatever order, each moment holds the rows it held, or is refused.

The table, its catalog and its files are real; only the clock is moved by hand, and files that a step wrote
bear its time.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pyiceberg.table import Table, Transaction

from foss_platform.errors import LastingError
from foss_platform.lake.build.commit_and_compact import Change, alter, commit, keep_up
from foss_platform.lake.build.rollback import plan_rollback, roll_back
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files.data_files import DataFiles, Slices, write_data_files
from foss_platform.lake.files.table_files import StoredFile
from foss_platform.lake.maintenance.compaction import compact
from foss_platform.lake.maintenance.maintain import maintain
from foss_platform.lake.maintenance.removal import Removal, plan_removal, remove
from foss_platform.lake.snapshots.points import ENGINE_SUMMARY, PINNED_PREFIX, point_at, point_table
from foss_platform.lake.table.policy import TablePolicy
from foss_platform.lake.table.positions import own_position
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_table
from foss_platform.settings import Settings
from foss_platform_tests import hypothesis_profile
from foss_platform_tests.faults.conftest import Measured
from foss_platform_tests.faults.maintenance.table_model import (
    DAY,
    HOUR,
    MILLISECOND,
    NAME,
    SCHEMA,
    Rows,
    State,
    arrow,
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
from foss_platform_tests.foreign import merge_elsewhere

assert hypothesis_profile

START = datetime(2026, 3, 28, 21, 40, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Reader:
    """Someone who opened a state and has not read it yet."""

    table: Table
    snapshot_id: int
    rows: Rows
    until: datetime


@dataclass(frozen=True)
class SlowWriter:
    """Someone who wrote a file and has not committed it yet."""

    files: DataFiles
    rows: Rows
    until: datetime


class _KilledError(Exception):
    pass


class MaintenanceMachine(RuleBasedStateMachine):
    """The rules; `states` is the model."""

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
        self.policy = TablePolicy(keep_commits=keep, keep_hours=6, keep_days=10, compact_at_files=4, spare_hours=2)
        self.catalog = open_catalog(Settings(home=self.folder))
        ensure_table(self.catalog, TableSpec(NAME, SCHEMA, key=("id",), cluster_by="at", policy=self.policy))
        self.settled = True

    # what happens to the table

    @rule(days=st.lists(st.integers(0, 2), min_size=1, max_size=3))
    def append(self, days: list[int]) -> None:
        rows = self._new_rows(days)
        self._change(lambda: commit(self.catalog, NAME, lambda _: Change(arrow(rows))), self.rows + rows)

    @rule(days=st.lists(st.integers(0, 2), max_size=2), day=st.integers(0, 2))
    def replace_day(self, days: list[int], day: int) -> None:
        rows = self._new_rows([day] * len(days))
        start = datetime.combine(now().date(), datetime.min.time(), UTC) - day * DAY
        kept = tuple(row for row in self.rows if not start <= row[1] < start + DAY)
        slices = Slices("at", ((start.isoformat(), (start + DAY).isoformat()),))
        self._change(lambda: commit(self.catalog, NAME, lambda _: Change(arrow(rows), slices)), kept + rows)

    @precondition(lambda self: self.states)
    @rule(pauses=st.lists(st.integers(0, 90), min_size=1, max_size=4), data=st.data())
    def another_engine_merges(self, pauses: list[int], data: st.DataObject) -> None:
        """Some times, so that its own commits end states that stood at full hours."""
        for minutes in pauses:
            self.clock.shift(timedelta(minutes=minutes))
            gone = data.draw(st.sets(st.sampled_from(self.rows), max_size=3)) if self.rows else set()
            self._merge_elsewhere(gone, self._new_rows(data.draw(st.lists(st.integers(0, 2), max_size=2))))

    def _merge_elsewhere(self, gone: set[tuple[int, datetime]], rows: Rows) -> None:
        def act() -> None:
            numbers = {number for number, _ in gone}
            keep_up(self.catalog, NAME, merge_elsewhere(self.catalog, NAME, numbers, arrow(rows)))

        self._change(act, tuple(row for row in self.rows if row not in gone) + rows)

    @rule(value=st.integers(0, 3))
    def set_property(self, value: int) -> None:
        def change(_: Table, transaction: Transaction) -> None:
            transaction.set_properties({"x": str(value)})

        self._change(lambda: alter(self.catalog, NAME, change), self.rows)

    @rule(everything=st.booleans())
    def merge(self, everything: bool) -> None:
        self._change(lambda: compact(self.catalog, NAME, everything=everything), self.rows)

    @precondition(lambda self: self.states)
    @rule(back=st.integers(0, 8))
    def tag(self, back: int) -> None:
        table = self.table
        snapshots = sorted(table.snapshots(), key=lambda snapshot: snapshot.sequence_number or 0)
        chosen = snapshots[max(0, len(snapshots) - 1 - back)].snapshot_id
        if len(table.metadata.refs) < 4:
            table.manage_snapshots().create_tag(chosen, f"tag-{len(table.metadata.refs)}-{self.ids}").commit()
            self.ids += 1

    @precondition(lambda self: self.states)
    @rule(kept=st.integers(0, 4))
    def expire_by_hand(self, kept: int) -> None:
        table = self.table
        snapshots = sorted(table.snapshots(), key=lambda snapshot: snapshot.sequence_number or 0)
        protected = {reference.snapshot_id for reference in table.metadata.refs.values()}
        # a state that another engine's commit ended is pinned by our own expiry alone, so nobody else's may come first
        foreign = [s.summary is not None and ENGINE_SUMMARY in s.summary.additional_properties for s in snapshots]
        for place, is_foreign in enumerate(foreign):
            if is_foreign:
                protected |= {s.snapshot_id for s in snapshots[max(0, place - 1) : place + 1]}
        surplus = [s.snapshot_id for s in snapshots[: len(snapshots) - kept] if s.snapshot_id not in protected]
        if surplus:
            table.maintenance.expire_snapshots().by_ids(surplus).commit()
            self.expired.update(surplus)

    @precondition(lambda self: self.states)
    @rule(data=st.data())
    def go_back(self, data: st.DataObject) -> None:
        moment = data.draw(st.sampled_from(sorted(self._promised())))
        rows = self._state_at(moment)
        assert rows is not None
        rollback = plan_rollback(self.catalog, NAME, moment)
        assert (rollback.rows_now, rollback.rows_then) == (len(self.rows), len(rows.rows))
        self._change(lambda: roll_back(self.catalog, rollback), rows.rows)

    # maintenance, whole and in parts

    @rule()
    def maintenance(self) -> None:
        self._change(lambda: maintain(self.catalog, NAME, now(), trigger="maintenance"), self.rows)
        self._read_everything()

    @rule()
    def maintenance_without_sparing(self) -> None:
        self._settle_without_sparing()

    @rule(after=st.integers(0, 6), spared=st.booleans())
    def removal_is_killed(self, after: int, spared: bool) -> None:
        if not spared:
            self._nobody_is_spared()
        plan = plan_removal(self.catalog, NAME, self.policy, now(), None if spared else timedelta())
        left = [after]

        def progress(_: StoredFile) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise _KilledError

        with suppress(_KilledError):
            remove(self.catalog, NAME, plan, progress)
        self._read_everything()

    @rule()
    def plan_now(self) -> None:
        self.plans.append(plan_removal(self.catalog, NAME, self.policy, now()))

    @precondition(lambda self: self.plans)
    @rule(data=st.data())
    def remove_by_an_old_plan(self, data: st.DataObject) -> None:
        plan = self.plans.pop(data.draw(st.integers(0, len(self.plans) - 1)))
        remove(self.catalog, NAME, plan, lambda _: None)
        self._read_everything()

    # others

    @rule(day=st.integers(0, 2))
    def a_writer_crashes(self, day: int) -> None:
        write_data_files(self.table, arrow(self._new_rows([day])))
        (self._metadata / f"{PINNED_PREFIX}{self.ids}.metadata.json.part").write_text("{")

    @rule(day=st.integers(0, 2))
    def a_slow_writer_begins(self, day: int) -> None:
        rows = self._new_rows([day])
        files = DataFiles(write_data_files(self.table, arrow(rows)))
        self.writers.append(SlowWriter(files, rows, now() + self.policy.spare - timedelta(minutes=1)))

    @precondition(lambda self: self.writers)
    @rule()
    def a_slow_writer_commits(self) -> None:
        writer = self.writers.pop()
        if now() <= writer.until:
            change = Change(files=writer.files)
            self._change(lambda: commit(self.catalog, NAME, lambda _: change), self.rows + writer.rows)

    @precondition(lambda self: self.states)
    @rule(data=st.data())
    def a_reader_opens(self, data: st.DataObject) -> None:
        moment = data.draw(st.sampled_from(sorted(self._promised())))
        table = self.table
        point = point_at(table, moment)
        state = self._state_at(moment)
        assert state is not None
        opened = point_table(table, point)
        self.readers.append(Reader(opened, point.snapshot_id, state.rows, now() + self.policy.spare))

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def a_reader_finishes(self, data: st.DataObject) -> None:
        reader = self.readers.pop(data.draw(st.integers(0, len(self.readers) - 1)))
        if now() < reader.until:
            assert rows_in(reader.table, reader.snapshot_id) == reader.rows

    # time

    @rule(
        step=st.one_of(
            st.integers(1, 90).map(lambda minutes: timedelta(minutes=minutes)),
            st.integers(1, 30).map(lambda hours: hours * HOUR),
            st.integers(1, 4).map(lambda days: days * DAY),
        )
    )
    def wait(self, step: timedelta) -> None:
        self.clock.shift(step)

    @rule(unit=st.sampled_from([HOUR, DAY]), short=st.sampled_from([timedelta(), MILLISECOND]))
    def wait_for_the_full_one(self, unit: timedelta, short: timedelta) -> None:
        """So that what comes next is of the first or second millisecond."""
        self.clock.move_to(full(now(), unit) + unit - short)

    # what must hold

    @precondition(lambda self: self.states)
    @rule(data=st.data())
    def look(self, data: st.DataObject) -> None:
        """Any moment: the rows of then, or a refusal."""
        about = data.draw(
            st.one_of(
                st.sampled_from([state.since for state in self.states]),
                st.sampled_from([full(state.since, HOUR) + HOUR for state in self.states]),
                st.sampled_from([full(state.since, DAY) + DAY for state in self.states]),
                st.integers(0, int((now() - START) / timedelta(minutes=1))).map(lambda m: START + timedelta(minutes=m)),
            )
        )
        moment = min(now(), about + data.draw(st.sampled_from([-INSTANT, timedelta(), INSTANT])))
        self._refused_or_right(moment)

    @invariant()
    def every_promise_is_kept(self) -> None:
        if not self.settled:
            return
        date_files(self._root)
        table = self.table
        assert not self.states or self.states[-1].snapshot_id == table.metadata.current_snapshot_id
        for moment in self._promised():
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
        """In the end nothing lies there that nothing refers to."""
        self._change(lambda: maintain(self.catalog, NAME, now(), trigger="maintenance"), self.rows)
        self.clock.shift(self.policy.spare)
        self._change(lambda: maintain(self.catalog, NAME, now(), trigger="maintenance"), self.rows)
        loose = files_below(self._root) - referenced_files(self.table, self._root)
        self.clock.shift(self.policy.spare)
        self._change(lambda: maintain(self.catalog, NAME, now(), trigger="maintenance"), self.rows)
        assert not loose & files_below(self._root)
        self._settle_without_sparing()
        for state in self.states:
            for moment in (state.since, full(state.since, HOUR) + HOUR, full(state.since, DAY) + DAY):
                for near in (moment - INSTANT, moment, moment + INSTANT):
                    self._refused_or_right(min(near, now()))

    # the model

    def _change(self, act: Callable[[], object], rows: Rows) -> None:
        """Do it, and note the states that came of it: all hold `rows`."""
        # no commit comes in the millisecond of the one before it: it has to read that one first
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

    def _promised(self) -> set[datetime]:
        """The newest commits, full hours and midnights, from the first commit on."""
        if not self.states:
            return set()
        newest = self.states[-self.policy.keep_commits :]
        commits = {state.since for state in newest if state.snapshot_id not in self.expired}
        # of commits in one instant the last one is the state of it, and that may be one that was expired by hand
        gone = {state.since for state in newest if state.snapshot_id in self.expired}
        last = {state.since: state.snapshot_id for state in self.states}
        commits -= {since for since in gone if last[since] in self.expired}
        first = self.states[0].since
        return {moment for moment in full_ones(self.policy, now()) if moment >= first} | commits

    def _refused_or_right(self, moment: datetime) -> None:
        table, expected = self.table, self._state_at(moment)
        try:
            point = point_at(table, moment)
        except LastingError:
            assert moment not in self._promised()
            return
        assert expected is not None, moment
        assert rows_at(table, point) == expected.rows, moment

    def _read_everything(self) -> None:
        """Every promised moment, by its files."""
        table = self.table
        read: dict[int, Rows] = {}
        for moment in self._promised():
            point, expected = point_at(table, moment), self._state_at(moment)
            assert expected is not None
            if point.snapshot_id not in read:
                read[point.snapshot_id] = rows_at(table, point)
            assert read[point.snapshot_id] == expected.rows, moment

    def _settle_without_sparing(self) -> None:
        self._nobody_is_spared()
        self._change(
            lambda: maintain(self.catalog, NAME, now(), trigger="command", spare=timedelta()),
            self.rows,
        )
        assert files_below(self._root) == referenced_files(self.table, self._root)
        self._read_everything()

    def _nobody_is_spared(self) -> None:
        # who says so says that nobody reads or writes
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


def test_every_order_of_events_keeps_what_was_promised(measured: Measured, *, full: bool) -> None:
    examples, steps = (300, 60) if full else (15, 30)
    run_state_machine_as_test(
        MaintenanceMachine,
        settings=hypothesis_settings(
            max_examples=examples, stateful_step_count=steps, suppress_health_check=list(HealthCheck)
        ),
    )
    measured("sequences", f"{examples} of up to {steps} steps")
