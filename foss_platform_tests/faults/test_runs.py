"""`foss run` and `foss replay` are killed as a whole at random moments, and run again as a user would.

A repeated replay is the same replay: bronze, quarantine and log must equal those without kills, row for row. A
repeated manual run is a new request and therefore a separate batch. Each batch must contain the served records
completely and once, with one row in the log. In both cases silver and gold must equal a rebuild.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.recording.feed_server import FeedServer
from foss_platform.ingest.recording.recording import RecordedPoll, read_recording
from foss_platform.ingest.recording.replay import replay
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.settings import Settings
from foss_platform_tests.faults.conftest import Measured
from foss_platform_tests.faults.injection.building import build_models
from foss_platform_tests.faults.injection.command import Foss
from foss_platform_tests.faults.injection.polling import BRONZE, POLLS, TABLES
from foss_platform_tests.faults.injection.trial import attempt
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import EXCERPT, GOLD, SILVER
from foss_platform_tests.tables import Row, content, read

_MODELS = (SILVER, *GOLD)
_PIPELINE = "stavanger_parking"

#: Called with the seconds since the start. Returns whether to kill now.
When = Callable[[float], bool]


def states(settings: Settings) -> list[str]:
    """Return the committed metadata files of all tables."""
    return sorted(str(path) for path in (settings.home / "warehouse").rglob("*.metadata.json"))


def reached(before: list[str], after: list[str]) -> str:
    """Describe the progress of a killed command."""
    new = {path for path in after if path not in before}
    for room, words in (("/gold/", "while building gold"), ("/silver/", "while building silver")):
        if any(room in path for path in new):
            return words
    return "while committing the poll, or before the models" if new else "before its first commit"


@pytest.fixture
def served() -> list[RecordedPoll]:
    """Return the polls of the included recording that are committed completely."""
    return [poll for poll in read_recording(EXCERPT) if poll.http_status == 200 and poll.body.startswith(b'[{"Dato')]


def test_foss_run_killed_and_run_again(
    parsed_settings: Settings, served: list[RecordedPoll], tmp_path: Path, measured: Measured, *, full: bool
) -> None:
    dice, where = random.Random(7), Counter[str]()
    now = served[0].polled_at
    with FeedServer(served, pace=1, clock=lambda: (now - served[0].polled_at).total_seconds()) as server:
        foss = Foss(parsed_settings.home, server.url, tmp_path / "foss.log")
        kills = iter([soon_after(parsed_settings, "bronze", 0)])
        if full:
            kills = moments(parsed_settings, dice, foss.run("run", _PIPELINE))
        for poll in served[5 : 105 if full else 6 : 10]:
            now, before = poll.polled_at, states(parsed_settings)
            if foss.kill("run", _PIPELINE, when=next(kills)):
                where[reached(before, states(parsed_settings))] += 1
            foss.run("run", _PIPELINE)
    each_batch_is_as_served(parsed_settings, served)
    equals_a_rebuild(parsed_settings)
    measured("kills", f"{where.total()}: {dict(where)}")


def test_foss_replay_killed_and_run_again(
    parsed_settings: Settings, feed: Feed, tmp_path: Path, measured: Measured, *, full: bool
) -> None:
    dice, where = random.Random(8), Counter[str]()
    polls = list(read_recording(EXCERPT))
    cuts = range(0, len(polls), len(polls) // (11 if full else 2))
    pieces = [written(tmp_path / f"{start}.jsonl", polls[start:end]) for start, end in pairwise(cuts)]
    foss = Foss(parsed_settings.home, "http://127.0.0.1:9", tmp_path / "foss.log")
    more = [] if full else ["--bronze-only"]
    kills = moments(parsed_settings, dice, foss.run("replay", _PIPELINE, str(pieces[0]), *more))
    for piece in pieces[1:]:
        before = states(parsed_settings)
        if foss.kill("replay", _PIPELINE, str(piece), *more, when=next(kills)):
            where[reached(before, states(parsed_settings))] += 1
        foss.run("replay", _PIPELINE, str(piece), *more)
    elsewhere = Settings(home=tmp_path / "elsewhere")
    for piece in pieces:
        replay(open_catalog(elsewhere), feed, read_recording(piece), f"recording:{piece.name}", {})
    assert content(parsed_settings, TABLES) == content(elsewhere, TABLES)
    if full:
        equals_a_rebuild(parsed_settings)
    measured("kills", f"{where.total()}: {dict(where)}")


def moments(settings: Settings, dice: random.Random, seconds: float) -> Iterator[When]:
    """Yield conditions for a kill: alternately at any time of a normal run, and soon after a commit to silver."""
    while True:
        at = dice.uniform(0.1, 0.8) * seconds
        yield lambda passed, at=at: passed > at  # type: ignore[misc]  # mypy infers no type of a default's name
        yield soon_after(settings, "silver", dice.uniform(0, 2))


def soon_after(settings: Settings, namespace: str, delay: float) -> When:
    """Return a condition: the given seconds after the next commit to a table of the namespace."""
    room = settings.home / "warehouse" / namespace
    before = set(room.rglob("*.metadata.json"))
    seen: list[float] = []

    def when(passed: float) -> bool:
        if not seen and set(room.rglob("*.metadata.json")) - before:
            seen.append(passed)
        return bool(seen) and passed >= seen[0] + delay

    return when


def written(path: Path, polls: list[RecordedPoll]) -> Path:
    """Write the polls as a new recording."""
    lines = [
        {"polled_at": p.polled_at.isoformat(), "text": p.body.decode(), "http_status": p.http_status} for p in polls
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def each_batch_is_as_served(settings: Settings, served: list[RecordedPoll]) -> None:
    """Compare each batch with the answer served at its time, and the batches with the log."""
    bodies = {poll.polled_at: json.loads(poll.body) for poll in served}
    batches: dict[str, list[Row]] = {}
    for row in read(settings, BRONZE):
        batches.setdefault(row["_batch_id"], []).append(row)
    for rows in batches.values():
        assert len({row["_polled_at"] for row in rows}) == 1
        body = bodies[rows[0]["_polled_at"]]
        by_place = sorted(rows, key=lambda row: int(row["_record_index"]))
        assert [row["_record_index"] for row in by_place] == list(range(len(body)))
        assert [{name: row[name] for name in body[0]} for row in by_place] == body
    log = read(settings, POLLS)
    assert sorted(batches) == sorted(row["batch_id"] for row in log)
    assert {row["status"] for row in log} == {"accepted"}


def equals_a_rebuild(settings: Settings) -> None:
    stepped = content(settings, _MODELS)
    assert stepped[SILVER]
    attempt(build_models, settings, None, True)
    assert content(settings, _MODELS) == stepped
