"""Ingest and commit are killed with SIGKILL and retried: the tables equal those without kills, row for row."""

import itertools
import random
import statistics
from collections.abc import Sequence
from pathlib import Path

import pytest

from foss_platform.ingest.page.feed import Feed
from foss_platform_tests.faults.conftest import Measured
from foss_platform_tests.faults.injection.kill_points import HEALING, SET_UP
from foss_platform_tests.faults.injection.polling import (
    BRONZE,
    KINDS,
    POLLS,
    REJECTED,
    Ticking,
    take_in_tick,
    ticking,
    without_durations,
)
from foss_platform_tests.faults.injection.trial import Trial, attempt

# The points that decide whether a poll is committed once. They are first, so the short form includes them.
_FIRST = (
    ("mixed", f"{REJECTED}: data file written"),
    ("mixed", f"{REJECTED}: after the commit"),
    ("mixed", f"{BRONZE}: data file written"),
    ("mixed", f"{BRONZE}: metadata written, catalog statement not sent"),
    ("mixed", f"{BRONZE}: after the commit"),
    ("mixed", f"{POLLS}: data file written"),
    ("mixed", f"{POLLS}: after the commit"),
    ("refused", f"{REJECTED}: after the commit"),
)

# the points are the same for every test, and finding them takes a second
_PASSED: dict[str, list[str]] = {}


def ingest(home: Path, feed: Ticking, tick: int, kill_at: int | str | None = None, after: float | None = None) -> Trial:
    feed.tick(tick)
    return attempt(take_in_tick, home, feed.feed, tick, kill_at, kill_after=after)


@pytest.fixture
def points(tmp_path: Path, feed: Feed) -> dict[str, list[str]]:
    """Return the points of a poll on an existing lake by kind of answer, and the points of the set-up."""
    if not _PASSED:
        with ticking(feed, ("mixed", *KINDS)) as served:
            for tick, kind in enumerate((SET_UP, *KINDS)):
                _PASSED[kind] = ingest(tmp_path / "explored", served, tick).result
    return _PASSED


def constructed(points: dict[str, list[str]], count: int) -> list[tuple[str, str]]:
    """Return kinds of answer and kill points, with every point equally often."""
    pairs = [(kind, name) for kind in KINDS for name in points[kind] if not name.startswith(HEALING)]
    first = list(_FIRST)
    rest = [pair for pair in pairs if pair not in first]
    random.Random(4).shuffle(rest)
    return list(itertools.islice(itertools.cycle(first + rest), count))


def test_killed_at_every_point_and_retried(
    tmp_path: Path, feed: Feed, points: dict[str, list[str]], measured: Measured, *, full: bool
) -> None:
    kills = constructed(points, 140 if full else 8)
    with ticking(feed, [kind for kind, _ in kills]) as served:
        for tick, (kind, name) in enumerate(kills):
            assert ingest(tmp_path / "killed", served, tick, name).killed, (kind, name)
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
            # a retry can be killed as well, and every attempt uses another moment
            while ingest(tmp_path / "killed", served, tick, after=dice.uniform(0, usual)).killed:
                killed += 1
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


@pytest.mark.parametrize(
    "place", [f"{REJECTED}: after the commit", f"{BRONZE}: after the commit"], ids=["quarantine", "bronze"]
)
def test_the_feed_has_changed_before_the_retry(tmp_path: Path, feed: Feed, place: str) -> None:
    with ticking(feed, ["good", "mixed"]) as served:
        ingest(tmp_path, served, 0)
        assert ingest(tmp_path, served, 1, place).killed
        served.tick(1.5)
        attempt(take_in_tick, tmp_path, served.feed, 1)
    tables = without_durations(tmp_path)
    attempts = {(row["batch_id"], row["polled_at"]): row for row in tables[POLLS]}
    in_bronze = [(row["_batch_id"], row["_polled_at"]) for row in tables[BRONZE]]
    refused = [(row["_batch_id"], row["_polled_at"]) for row in tables[REJECTED]]
    # a batch comes from a single attempt, is complete, and has one row in the log
    assert len(attempts) == 2
    for attempted, row in attempts.items():
        assert (in_bronze.count(attempted), refused.count(attempted)) == (
            row["records_accepted"],
            row["records_rejected"],
        )
    assert set(in_bronze) == set(attempts)
    # records that the killed attempt rejected are kept as evidence, and differ by their time
    left = [attempted for attempted in refused if attempted not in attempts]
    assert len(left) == (2 if place.startswith(REJECTED) else 0)


def compare_without_kills(folder: Path, served: Ticking, ticks: Sequence[int]) -> None:
    """Poll the same ticks without a kill, and compare all three tables."""
    for tick in ticks:
        ingest(folder / "without", served, tick)
    assert without_durations(folder / "killed") == without_durations(folder / "without")
    kept = {row["batch_id"] for row in without_durations(folder / "killed")[POLLS]}
    assert len(kept) == len(ticks)
