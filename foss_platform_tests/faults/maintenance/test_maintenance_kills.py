"""Maintenance is killed with SIGKILL at every point: no data is lost, and the next run repairs the table."""

import itertools
import random
import shutil
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from pyiceberg.catalog import Catalog

from foss_platform.lake.build.commit_and_compact import commit
from foss_platform.lake.commit.commit_with_retry import Change, apply_change
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files.data_files import write_data_files
from foss_platform.lake.maintenance.maintain import maintain
from foss_platform.lake.maintenance.unreferenced_files import plan_removal
from foss_platform.lake.snapshots.points import PINNED_PREFIX, live_points, pinned_points, point_at
from foss_platform.lake.table.policy import TablePolicy
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_table
from foss_platform.settings import Settings
from foss_platform_tests.faults.conftest import Measured
from foss_platform_tests.faults.injection.trial import attempt
from foss_platform_tests.faults.maintenance.kill_points import maintenance
from foss_platform_tests.faults.maintenance.table_model import (
    DAY,
    HOUR,
    NAME,
    SCHEMA,
    Rows,
    State,
    arrow,
    date_files,
    files_below,
    full,
    full_ones,
    referenced_files,
    rows_at,
    rows_in,
    state_at,
)

POLICY = TablePolicy(keep_commits=4, keep_hours=6, keep_days=4, compact_at_files=4, keep_unreferenced_hours=2)
START = datetime(2026, 3, 24, 6, 5, tzinfo=UTC)


@dataclass(frozen=True)
class TableNeedingMaintenance:
    """A lake whose table needs every kind of maintenance at a given moment, and its earlier contents."""

    home: Path
    maintained_copy: Path
    moment: datetime
    states: Sequence[State]

    def restore(self) -> None:
        """Restore the state before any maintenance."""
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.copytree(self.maintained_copy, self.home)

    @property
    def root(self) -> Path:
        return self.home / "warehouse" / NAME.namespace / NAME.name


@pytest.fixture(scope="module")
def worn(tmp_path_factory: pytest.TempPathFactory) -> TableNeedingMaintenance:
    folder = tmp_path_factory.mktemp("worn")
    states: list[State] = []
    with time_machine.travel(START, tick=False) as clock:
        catalog = open_catalog(Settings(home=folder / "home"))
        ensure_table(catalog, TableSpec(NAME, SCHEMA, key=("id",), cluster_by="at", policy=POLICY))
        rows: Rows = ()

        def note() -> None:
            known = {state.snapshot_id for state in states}
            for point in live_points(load_table(catalog, NAME)):
                if point.snapshot_id not in known:
                    states.append(State(point.committed_at, rows, point.snapshot_id))

        def grow(step: timedelta, *, merging: bool) -> None:
            nonlocal rows
            clock.shift(step)
            new = ((len(rows), datetime.now(UTC)),)
            rows = (*rows, *new)
            (commit if merging else apply_change)(catalog, NAME, lambda _: Change(arrow(new)))
            note()

        for _ in range(5):
            grow(7 * HOUR, merging=True)
        for _ in range(12):
            grow(timedelta(minutes=25), merging=True)
        write_data_files(load_table(catalog, NAME), arrow(((-1, START),)))
        root = folder / "home/warehouse/gold/things"
        (root / "metadata" / "crashed.json.part").write_text("{")
        date_files(root)
        clock.shift(POLICY.keep_unreferenced)
        # the first scan, followed by the retention time of unreferenced files
        maintain(catalog, NAME, datetime.now(UTC), trigger="maintenance")
        note()
        for _ in range(3):
            grow(2 * DAY // 3, merging=True)
        for _ in range(6):
            grow(timedelta(minutes=5), merging=False)
        date_files(root)
        clock.shift(POLICY.keep_unreferenced)
        moment = datetime.now(UTC)
    shutil.copytree(folder / "home", folder / "maintained_copy")
    return TableNeedingMaintenance(folder / "home", folder / "maintained_copy", moment, states)


@pytest.fixture(scope="module")
def passed(worn: TableNeedingMaintenance) -> list[str]:
    """Return the points that maintenance of the table passes."""
    worn.restore()
    points: list[str] = attempt(maintenance, worn.home, worn.moment).result
    return points


def in_turn(passed: Sequence[str], count: int) -> list[int]:
    """Return the points to be killed at: one of every name first, then the others, repeatedly."""
    first = {name: place for place, name in reversed(list(enumerate(passed)))}
    rest = [place for place in range(len(passed)) if place not in first.values()]
    order = list(first.values())
    random.Random(6).shuffle(order)
    random.Random(7).shuffle(rest)
    return list(itertools.islice(itertools.cycle(order + rest), count))


def test_maintenance_passes_every_kind_of_point(worn: TableNeedingMaintenance, passed: list[str]) -> None:
    kinds = {name.partition(": ")[2] for name in passed}
    assert {
        f"{when} {what}" for when in ("before", "after") for what in ("the pin", "a data file", "the commit")
    } < kinds
    assert {"before the notes", "after the notes", "before a deletion", "after a deletion"} < kinds
    assert {"metadata written, catalog statement not sent", "catalog statement sent, not committed"} < kinds
    worn.restore()
    with time_machine.travel(worn.moment, tick=False):
        catalog = open_catalog(Settings(home=worn.home))
        removed = {file.name for file in plan_removal(catalog, NAME, POLICY, worn.moment).files}
        assert any(name.startswith(PINNED_PREFIX) for name in removed)
        assert {"crashed.json.part"} < removed
        assert any(name.endswith(".parquet") for name in removed)
        assert len(pinned_points(load_table(catalog, NAME))) > len(removed & {PINNED_PREFIX})


def test_killed_at_every_point_and_repaired(
    worn: TableNeedingMaintenance, passed: list[str], measured: Measured, *, full: bool
) -> None:
    places = in_turn(passed, 70 if full else 4)
    for place in places:
        worn.restore()
        assert attempt(maintenance, worn.home, worn.moment, place).killed, passed[place]
        check_and_heal(worn)
    measured("kills", len(places))
    measured("points", f"{len(set(places))} of {len(passed)}")


def test_killed_at_random_moments_and_repaired(
    worn: TableNeedingMaintenance, measured: Measured, *, full: bool
) -> None:
    dice = random.Random(8)
    times = []
    for _ in range(3):
        worn.restore()
        times.append(attempt(maintenance, worn.home, worn.moment).seconds)
    wanted, killed = 30 if full else 2, 0
    while killed < wanted:
        worn.restore()
        # the run that repairs the table can be killed as well
        while attempt(maintenance, worn.home, worn.moment, kill_after=dice.uniform(0, statistics.median(times))).killed:
            killed += 1
        check_and_heal(worn)
    measured("kills", killed)


def check_and_heal(worn: TableNeedingMaintenance) -> None:
    """Check that everything is readable now and after the next maintenance, and that finally no loose file is left."""
    with time_machine.travel(worn.moment, tick=False) as clock:
        catalog = open_catalog(Settings(home=worn.home))
        check_rows(catalog, worn)
        maintain(catalog, NAME, worn.moment, trigger="maintenance")
        check_rows(catalog, worn)
        # no full hour and no midnight passes, so no more snapshots are expired
        late = full(worn.moment, HOUR) + HOUR
        for _ in range(4):
            date_files(worn.root)
            clock.shift(timedelta(minutes=1))
            assert datetime.now(UTC) < late
            maintain(catalog, NAME, datetime.now(UTC), trigger="maintenance", older_than=timedelta(minutes=1))
        check_rows(catalog, worn)
        table = load_table(catalog, NAME)
        assert files_below(worn.root) == referenced_files(table, worn.root)


def check_rows(catalog: Catalog, worn: TableNeedingMaintenance) -> None:
    """Check that no row is missing or duplicated, now and at each retained moment."""
    table = load_table(catalog, NAME)
    assert rows_in(table) == worn.states[-1].rows
    newest = {state.since for state in worn.states[-POLICY.keep_commits + 1 :]}
    promised = newest | {moment for moment in full_ones(POLICY, worn.moment) if moment >= worn.states[0].since}
    assert len(promised) > POLICY.keep_commits
    for moment in promised:
        expected = state_at(worn.states, moment)
        assert expected is not None
        assert rows_at(table, point_at(table, moment)) == expected.rows, moment
