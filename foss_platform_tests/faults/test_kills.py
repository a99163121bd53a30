"""Ingest and commit are killed with SIGKILL and retried: the tables equal those without kills, row for row."""

import itertools
import random
import statistics
from collections.abc import Sequence
from pathlib import Path

import pytest

from foss_platform.ingest.page.feed import Feed
from foss_platform_tests.faults.conftest import Measured
from foss_platform_tests.faults.injection.kill_points import COMMITTING, SET_UP, SWITCHED, TOGETHER, TOLD
from foss_platform_tests.faults.injection.polling import (
    BRONZE,
    KINDS,
    POLLS,
    REJECTED,
    Ticking,
    agree,
    take_in_tick,
    ticking,
    without_durations,
)
from foss_platform_tests.faults.injection.trial import Trial, attempt

# The points that decide whether a poll is committed once. They are first, so the short form includes them.
_FIRST = (
    ("mixed", f"{REJECTED}: staged"),
    ("mixed", f"{BRONZE}: data file written"),
    ("mixed", f"{POLLS}: staged"),
    ("mixed", f"{TOGETHER}: {TOLD}"),
    ("mixed", f"{TOGETHER}: {COMMITTING}"),
    ("mixed", f"{TOGETHER}: {SWITCHED}"),
    ("disturbed", f"{BRONZE}: before its files are deleted"),
    ("refused", f"{TOGETHER}: {SWITCHED}"),
)

#: A kind of poll: a mixed answer, and another writer commits to every table just before the switch.
_DISTURBED = "disturbed"

# the points are the same for every test, and finding them takes a second
_PASSED: dict[str, list[str]] = {}


def ingest(
    home: Path,
    feed: Ticking,
    tick: int,
    kill_at: int | str | None = None,
    after: float | None = None,
    disturbed: bool = False,
) -> Trial:
    feed.tick(tick)
    return attempt(take_in_tick, home, feed.feed, tick, kill_at, disturbed, kill_after=after)


@pytest.fixture
def points(tmp_path: Path, feed: Feed) -> dict[str, list[str]]:
    """Return the points of a poll on an existing lake by kind of answer, and the points of the set-up."""
    if not _PASSED:
        with ticking(feed, ("mixed", *KINDS, "mixed")) as served:
            for tick, kind in enumerate((SET_UP, *KINDS, _DISTURBED)):
                explored = ingest(tmp_path / "explored", served, tick, disturbed=kind == _DISTURBED)
                _PASSED[kind] = explored.result
    return _PASSED


def constructed(points: dict[str, list[str]], count: int) -> list[tuple[str, str]]:
    """Return kinds of answer and kill points, with every point equally often."""
    pairs = [(kind, name) for kind in (*KINDS, _DISTURBED) for name in dict.fromkeys(points[kind])]
    first = list(_FIRST)
    rest = [pair for pair in pairs if pair not in first]
    random.Random(4).shuffle(rest)
    return list(itertools.islice(itertools.cycle(first + rest), count))


def test_killed_at_every_point_and_retried(
    tmp_path: Path, feed: Feed, points: dict[str, list[str]], measured: Measured, *, full: bool
) -> None:
    kills = constructed(points, 150 if full else 8)
    with ticking(feed, ["mixed" if kind == _DISTURBED else kind for kind, _ in kills]) as served:
        for tick, (kind, name) in enumerate(kills):
            killed = ingest(tmp_path / "killed", served, tick, name, disturbed=kind == _DISTURBED)
            assert killed.killed, (kind, name)
            if tick:
                agree(tmp_path / "killed")
            assert not ingest(tmp_path / "killed", served, tick).killed
        compare_without_kills(tmp_path, served, range(len(kills)))
    measured("kills", len(kills))
    measured("points", len(set(kills)))


def test_killed_at_random_moments_and_retried(tmp_path: Path, feed: Feed, measured: Measured, *, full: bool) -> None:
    dice = random.Random(5)
    wanted = 50 if full else 2
    killed = tick = 0
    with ticking(feed, [dice.choice(KINDS) for _ in range(4 * wanted)]) as served:
        usual = statistics.median(ingest(tmp_path / "timed", served, tick).seconds for tick in range(3))
        while killed < wanted:
            # a retry can be killed as well, at another moment. Each attempt may take longer than the
            # one before, because on a machine that has become busy no attempt would end within the usual time
            moments = (dice.uniform(0, usual * patience) for patience in itertools.count(1))
            while ingest(tmp_path / "killed", served, tick, after=next(moments)).killed:
                killed += 1
                if tick:
                    agree(tmp_path / "killed")
            ingest(tmp_path / "killed", served, tick)
            tick += 1
        compare_without_kills(tmp_path, served, range(tick))
    measured("kills", killed)


def test_killed_while_the_lake_is_created(
    tmp_path: Path, feed: Feed, points: dict[str, list[str]], measured: Measured, *, full: bool
) -> None:
    making = [place for place, name in enumerate(points[SET_UP]) if name.startswith(SET_UP)]
    places = making if full else [making[0], making[len(making) // 2]]
    with ticking(feed, ["mixed"]) as served:
        ingest(tmp_path / "without", served, 0)
        for place in places:
            home = tmp_path / f"killed-{place}"
            assert ingest(home, served, 0, place).killed
            assert not ingest(home, served, 0).killed
            assert without_durations(home) == without_durations(tmp_path / "without")
    measured("kills", len(places))


@pytest.mark.parametrize("place", [f"{TOGETHER}: {COMMITTING}", f"{TOGETHER}: {SWITCHED}"], ids=["before", "after"])
def test_the_feed_has_changed_before_the_retry(tmp_path: Path, feed: Feed, place: str) -> None:
    with ticking(feed, ["good", "mixed"]) as served:
        ingest(tmp_path, served, 0)
        assert ingest(tmp_path, served, 1, place).killed
        served.tick(1.5)
        attempt(take_in_tick, tmp_path, served.feed, 1)
    tables = without_durations(tmp_path)
    # each batch comes from a single attempt, and nothing is left of the killed attempt if it was not committed
    assert len(tables[POLLS]) == 2
    agree(tmp_path)


def compare_without_kills(folder: Path, served: Ticking, ticks: Sequence[int]) -> None:
    """Poll the same ticks without a kill, and compare all three tables."""
    for tick in ticks:
        ingest(folder / "without", served, tick)
    assert without_durations(folder / "killed") == without_durations(folder / "without")
    kept = {row["batch_id"] for row in without_durations(folder / "killed")[POLLS]}
    assert len(kept) == len(ticks)
