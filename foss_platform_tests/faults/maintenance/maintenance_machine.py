"""The state machine of maintenance: rules that change, read and maintain a table in any order."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from pyiceberg.table import Table, Transaction

from foss_platform.lake.build.commit_and_compact import Change, alter, commit, maintain_after_commit
from foss_platform.lake.build.rollback import plan_rollback, roll_back
from foss_platform.lake.files.data_files import DataFiles, Slices, write_data_files
from foss_platform.lake.files.table_files import StoredFile
from foss_platform.lake.maintenance.compaction import compact
from foss_platform.lake.maintenance.maintain import maintain
from foss_platform.lake.maintenance.unreferenced_files import plan_removal, remove
from foss_platform.lake.snapshots.points import ENGINE_SUMMARY, PINNED_PREFIX, point_at, point_table
from foss_platform_tests.faults.maintenance.maintenance_model import (
    INSTANT,
    START,
    MaintenanceModel,
    Reader,
    SlowWriter,
)
from foss_platform_tests.faults.maintenance.table_model import (
    DAY,
    HOUR,
    MILLISECOND,
    NAME,
    Rows,
    arrow,
    full,
    now,
    rows_in,
)
from foss_platform_tests.foreign import merge_elsewhere


class _KilledError(Exception):
    pass


class MaintenanceMachine(MaintenanceModel):
    """Rules for commits, maintenance, readers, writers and time."""

    # commits

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
        """Merge several times, so that foreign commits replace states that were current at full hours."""
        for minutes in pauses:
            self.clock.shift(timedelta(minutes=minutes))
            gone = data.draw(st.sets(st.sampled_from(self.rows), max_size=3)) if self.rows else set()
            self._merge_elsewhere(gone, self._new_rows(data.draw(st.lists(st.integers(0, 2), max_size=2))))

    def _merge_elsewhere(self, gone: set[tuple[int, datetime]], rows: Rows) -> None:
        def act() -> None:
            numbers = {number for number, _ in gone}
            maintain_after_commit(self.catalog, NAME, merge_elsewhere(self.catalog, NAME, numbers, arrow(rows)))

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
        # a state replaced by another engine's commit is pinned only by our own expiry, so it is not expired by hand
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
        moment = data.draw(st.sampled_from(sorted(self._retained_moments())))
        rows = self._state_at(moment)
        assert rows is not None
        rollback = plan_rollback(self.catalog, NAME, moment)
        assert (rollback.rows_now, rollback.rows_then) == (len(self.rows), len(rows.rows))
        self._change(lambda: roll_back(self.catalog, rollback), rows.rows)

    # maintenance as a whole and in parts

    @rule()
    def maintenance(self) -> None:
        self._change(lambda: maintain(self.catalog, NAME, now(), trigger="maintenance"), self.rows)
        self._read_everything()

    @rule()
    def maintenance_without_retention(self) -> None:
        self._settle_without_retention()

    @rule(after=st.integers(0, 6), retained=st.booleans())
    def removal_is_killed(self, after: int, retained: bool) -> None:
        if not retained:
            self._end_readers_and_writers()
        plan = plan_removal(self.catalog, NAME, self.policy, now(), None if retained else timedelta())
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

    # readers and writers

    @rule(day=st.integers(0, 2))
    def a_writer_crashes(self, day: int) -> None:
        write_data_files(self.table, arrow(self._new_rows([day])))
        (self._metadata / f"{PINNED_PREFIX}{self.ids}.metadata.json.part").write_text("{")

    @rule(day=st.integers(0, 2))
    def a_slow_writer_begins(self, day: int) -> None:
        rows = self._new_rows([day])
        files = DataFiles(write_data_files(self.table, arrow(rows)))
        self.writers.append(SlowWriter(files, rows, now() + self.policy.keep_unreferenced - timedelta(minutes=1)))

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
        moment = data.draw(st.sampled_from(sorted(self._retained_moments())))
        table = self.table
        point = point_at(table, moment)
        state = self._state_at(moment)
        assert state is not None
        opened = point_table(table, point)
        self.readers.append(Reader(opened, point.snapshot_id, state.rows, now() + self.policy.keep_unreferenced))

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
    def wait_for_a_full_hour_or_day(self, unit: timedelta, short: timedelta) -> None:
        """Move the clock so that the next event is in the first or second millisecond of an hour or day."""
        self.clock.move_to(full(now(), unit) + unit - short)

    # reads

    @precondition(lambda self: self.states)
    @rule(data=st.data())
    def look(self, data: st.DataObject) -> None:
        """Read the table at any moment: the result is the rows of that moment, or a refusal."""
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
