"""Incremental builds and a full build make the same silver and gold, whatever the order of arrival."""

import json
import math
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from foss_platform.ingest.bronze.commit_polls import commit_polls, ensure_feed_tables
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.poll import Poll, judge_recorded
from foss_platform.ingest.recording.recording import RecordedPoll, read_recording
from foss_platform.ingest.records.contract import contract_judge
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.settings import Settings
from foss_platform.transform.runner import build
from foss_platform_tests import oracle
from foss_platform_tests.tables import Row, content, read

SILVER = "silver.parking_readings"
GOLD = ("gold.parking_latest", "gold.parking_hourly", "gold.parking_typical_week", "gold.parking_feed_health")
# dbt's tests take half of the time, and are not what these tests are about
NODES = [
    "lakehouse.parking_sites",
    "lakehouse.silver.parking.parking_readings",
    "lakehouse.gold.parking.parking_latest",
    "lakehouse.gold.parking.parking_hourly",
    "lakehouse.gold.parking.parking_typical_week",
    "lakehouse.gold.parking.parking_feed_health",
]
CAPACITIES = {"Jernbanen": 500, "Forum": 325}
EXCERPT = Path(__file__).parents[3] / "foss_platform" / "defs" / "stavanger_parking" / "excerpt.csv"


class Pipeline:
    """Polls into a home and builds its models, without Dagster."""

    def __init__(self, settings: Settings, feed: Feed) -> None:
        self.settings, self.feed = settings, feed
        self.catalog = open_catalog(settings)
        self.judge = contract_judge(feed)
        ensure_feed_tables(self.catalog, feed)

    def snapshots(self) -> dict[str, int | None]:
        tables = (SILVER, *GOLD)
        return {table: self.catalog.load_table(table).metadata.current_snapshot_id for table in tables}

    def judged(self, recorded: RecordedPoll) -> Poll:
        return judge_recorded(
            self.feed, self.judge, "recording", recorded.polled_at, recorded.body, recorded.http_status
        )

    def ingest(self, polls: list[RecordedPoll]) -> None:
        commit_polls(self.catalog, self.feed, [self.judged(poll) for poll in polls], {})

    def build(self, *, full_refresh: bool = False, tests: bool = False) -> None:
        results = list(build(self.settings, [] if tests else NODES, full_refresh=full_refresh))
        assert [r for r in results if r.status.is_failure] == []
        assert len(results) >= len(NODES)


@pytest.fixture
def pipeline(parsed_settings: Settings, feed: Feed) -> Pipeline:
    return Pipeline(parsed_settings, feed)


def poll_at(minute: int, readings: dict[str, tuple[datetime, str]]) -> RecordedPoll:
    """A made-up poll: minutes after a fixed evening, and per site the local time of its reading and the value."""
    records = [
        {
            "Dato": local.strftime("%d.%m.%Y"),
            "Klokkeslett": local.strftime("%H:%M"),
            "Sted": site,
            "Latitude": "58.9",
            "Longitude": "5.7",
            "Antall_ledige_plasser": value,
        }
        for site, (local, value) in readings.items()
    ]
    return RecordedPoll(
        datetime(2020, 10, 24, 20, tzinfo=UTC) + timedelta(minutes=minute), json.dumps(records).encode()
    )


def made_up_polls(seed: int, count: int) -> list[RecordedPoll]:
    """Polls with what real ones seldom have: conflicts, standstills, jumps back, times ahead, words, rejects."""
    dice = random.Random(seed)
    polls, minute = [], 0
    shown = datetime(2020, 10, 24, 21, 58)  # noqa: DTZ001  # the feed's local time
    for _ in range(count):
        minute += dice.choice([2, 2, 4, 4, 9, 10, 11, 40, 400])
        wall = datetime(2020, 10, 24, 22) + timedelta(minutes=minute)  # noqa: DTZ001
        if dice.random() < 0.7:
            shown = wall - timedelta(minutes=dice.choice([0, 2, 3, 60, -4, -7, -90]))
        readings = {}
        for site in ("Forum", "Jernbanen", " Posten "):
            local = shown if dice.random() < 0.9 else shown - timedelta(minutes=dice.choice([2, 4, 3000]))
            value = dice.choice(["12", "350", "600", "0,00", "Fullt", "Open", "?", "7.0", str(dice.randrange(400))])
            readings[site] = (local, value)
        poll = poll_at(minute, readings)
        if dice.random() < 0.08:
            poll = RecordedPoll(poll.polled_at, b"<html>")
        elif dice.random() < 0.1:
            broken = json.loads(poll.body)
            del broken[0]["Sted"]
            poll = RecordedPoll(poll.polled_at, json.dumps(broken).encode())
        polls.append(poll)
        if dice.random() < 0.2:  # the same moment once more, with other values for the same readings
            polls.append(poll_at(minute, {site: (local, "77") for site, (local, _) in readings.items()}))
    return polls


def expected(pipeline: Pipeline, recorded: list[RecordedPoll]) -> dict[str, list[Row]]:
    """Return the oracle's tables, computed independently in plain Python."""
    polls = []
    for poll in {(j.cause.batch_id, j.polled_at): (j, r) for r in recorded for j in [pipeline.judged(r)]}.values():
        judged, raw = poll
        records: list[Any] = json.loads(raw.body) if judged.accepted or judged.rejected else []
        polls.append(oracle.Poll(judged.polled_at, judged.cause.batch_id, records, judged.error is None))
    silver = oracle.readings(polls, CAPACITIES)
    tables: dict[str, Any] = {
        SILVER: list(silver.values()),
        "gold.parking_latest": oracle.latest(polls, silver),
        "gold.parking_hourly": oracle.hourly(silver),
        "gold.parking_typical_week": oracle.typical_week(silver),
        "gold.parking_feed_health": oracle.feed_health(polls, silver),
    }
    return {
        name: [vars(row) if hasattr(row, "__dict__") else _slots(row) for row in rows] for name, rows in tables.items()
    }


def _slots(row: Any) -> Row:
    return {name: getattr(row, name) for name in row.__slots__}


def compare(actual: dict[str, list[Row]], wanted: dict[str, list[Row]]) -> None:
    for table, rows in wanted.items():
        key = list(rows[0])[:3] if rows else []
        ours = sorted(actual[table], key=lambda row: str([row[k] for k in key]))
        theirs = sorted(rows, key=lambda row: str([row[k] for k in key]))
        assert len(ours) == len(theirs), table
        for mine, other in zip(ours, theirs, strict=True):
            assert mine.keys() == other.keys(), table
            assert {k: v for k, v in mine.items() if not _is_same(v, other[k])} == {}, (table, other)


def _is_same(value: Any, other: Any) -> bool:
    # both sides add up the same integers in another order; nothing but rounding may differ
    return (
        math.isclose(value, other, rel_tol=1e-12) if isinstance(other, float) and value is not None else value == other
    )


def test_the_carried_excerpt_in_one_go_equals_the_oracle(pipeline: Pipeline) -> None:
    polls = list(read_recording(EXCERPT))
    pipeline.ingest(polls)
    pipeline.build(tests=True)
    compare(content(pipeline.settings, (SILVER, *GOLD)), expected(pipeline, polls))


@pytest.mark.parametrize("seed", [1, 2])
def test_shuffled_increments_equal_a_rebuild_and_the_oracle(pipeline: Pipeline, seed: int) -> None:
    polls = made_up_polls(seed, 60)
    dice = random.Random(seed)
    shuffled = sorted(polls, key=lambda _: dice.random())
    pieces = [shuffled[start : start + 15] for start in range(0, len(shuffled), 15)]
    seen: list[RecordedPoll] = []
    for number, piece in enumerate(pieces):
        pipeline.ingest(piece)
        seen += piece
        pipeline.build()
        if number == 1:
            compare(content(pipeline.settings, (SILVER, *GOLD)), expected(pipeline, seen))
    stepped = content(pipeline.settings, (SILVER, *GOLD))
    compare(stepped, expected(pipeline, polls))
    pipeline.build(full_refresh=True)
    assert content(pipeline.settings, (SILVER, *GOLD)) == stepped


def test_one_poll_after_the_other_equals_a_rebuild(pipeline: Pipeline) -> None:
    for poll in made_up_polls(7, 6):
        pipeline.ingest([poll])
        pipeline.build()
    stepped = content(pipeline.settings, (SILVER, *GOLD))
    pipeline.build(full_refresh=True)
    assert content(pipeline.settings, (SILVER, *GOLD)) == stepped


def test_the_real_month_equals_the_oracle(pipeline: Pipeline, real_recording: Path) -> None:
    polls = list(read_recording(real_recording))
    dice = random.Random(2020)
    late = sorted(dice.sample(polls, 200), key=lambda _: dice.random())
    left_out = {id(poll) for poll in late}
    pipeline.ingest([poll for poll in polls if id(poll) not in left_out])
    pipeline.build()
    for start in range(0, len(late), 100):
        pipeline.ingest(late[start : start + 100])
        pipeline.build()
    actual = content(pipeline.settings, (SILVER, *GOLD))
    assert len(actual[SILVER]) == 96_840
    compare(actual, expected(pipeline, polls))


def test_increment_without_new_polls_changes_no_row(pipeline: Pipeline) -> None:
    pipeline.ingest(made_up_polls(5, 8))
    pipeline.build()
    before = pipeline.snapshots()
    pipeline.build()
    assert pipeline.snapshots() == before
    assert read(pipeline.settings, SILVER)


def test_new_polls_are_built_incrementally(pipeline: Pipeline) -> None:
    polls = made_up_polls(5, 43)
    first, second = polls[:40], polls[40:]
    pipeline.ingest(first)
    pipeline.build()
    pipeline.ingest(second)
    pipeline.build()
    for table in (SILVER, *GOLD):
        snapshot = pipeline.catalog.load_table(table).current_snapshot()
        assert snapshot is not None
        assert snapshot.summary is not None
        # the typical week has nothing to do within a day, so its whole content stands
        steps = ("step", "whole") if table == "gold.parking_typical_week" else ("step",)
        assert snapshot.summary.additional_properties["foss.build"] in steps, table


@pytest.mark.parametrize("back", [timedelta(seconds=5), timedelta(hours=1), timedelta(days=1), timedelta(days=365)])
def test_poll_with_a_clock_set_back_removes_nothing_from_gold(pipeline: Pipeline, back: timedelta) -> None:
    """It carries the same readings, which are then ahead of it, and newer ones."""
    evening = datetime(2020, 10, 24, 22)  # noqa: DTZ001  # the feed's local time
    polls = [poll_at(1, {"Forum": (evening, "12"), "Jernbanen": (evening, "7")})]
    pipeline.ingest(polls)
    pipeline.build()
    before = read(pipeline.settings, "gold.parking_latest")
    assert len(before) == 2
    for minute in (3, 5):
        carried = poll_at(minute, {"Forum": (evening, "12"), "Jernbanen": (evening + timedelta(minutes=minute), "8")})
        polls.append(RecordedPoll(carried.polled_at - back, carried.body))
        pipeline.ingest(polls[-1:])
        pipeline.build()
    stepped = content(pipeline.settings, (SILVER, *GOLD))
    latest = {row["site"]: row for row in stepped["gold.parking_latest"]}
    assert latest.keys() == {"Forum", "Jernbanen"}
    assert all(row["age_minutes"] >= -5 for row in latest.values())
    compare(stepped, expected(pipeline, polls))
    pipeline.build(full_refresh=True)
    assert content(pipeline.settings, (SILVER, *GOLD)) == stepped
