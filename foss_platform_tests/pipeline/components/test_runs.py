"""Complete job runs over real HTTP: repeated ticks, failing feeds, blocking checks and the automation afterwards."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from foss_platform.components.models import build_step
from foss_platform.components.shared.loading import Platform
from foss_platform.definitions import build_defs
from foss_platform.errors import PermanentError
from foss_platform.ingest.recording.feed_server import FeedServer
from foss_platform.ingest.recording.recording import RecordedPoll
from foss_platform.settings import FeedMode, Settings
from foss_platform_tests.pipeline.ingest.loopback import new_session
from foss_platform_tests.tables import read

JOB = "stavanger_parking"
BRONZE = "bronze.stavanger_parking"
START = datetime(2020, 10, 24, 10, 1, tzinfo=UTC)
MODELS = {"parking_readings", "parking_latest", "parking_hourly", "parking_typical_week", "parking_feed_health"}
RETRIES = "dagster/max_retries"

pytestmark = pytest.mark.filterwarnings("ignore:Parameter `", "ignore:sqlglotrs")


def answer(number: int, records: int = 2, *, status: int = 200, body: bytes | None = None) -> RecordedPoll:
    """Return the feed's answer at this tick: so many car parks, measured one minute earlier."""
    polled_at = START + timedelta(minutes=2 * number)
    local = polled_at + timedelta(hours=2, minutes=-1)
    made = [
        {
            "Dato": f"{local:%d.%m.%Y}",
            "Klokkeslett": f"{local:%H:%M}",
            "Sted": f"Site {index}",
            "Latitude": "58.9",
            "Longitude": "5.7",
            "Antall_ledige_plasser": str(100 + number),
        }
        for index in range(records)
    ]
    return RecordedPoll(polled_at, json.dumps(made).encode() if body is None else body, status)


class Location:
    """The code location on a new home, with runs in this process and an instance in memory."""

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = settings.model_copy(update={"feed": FeedMode.RECORDED})
        self.defs = build_defs(Platform(self.settings, session=new_session))
        self.instance = dg.DagsterInstance.ephemeral()
        self._monkeypatch = monkeypatch
        self._cursor: Any = None

    def run(self, tick: int, poll: RecordedPoll) -> dg.ExecuteInProcessResult:
        """Run the job like the schedule at this tick, against a feed that gives this answer to every GET."""
        job = self.defs.resolve_job_def(JOB)
        with FeedServer([poll], pace=1.0) as server:
            self._monkeypatch.setenv("STAVANGER_PARKING_URL", server.url)
            return job.execute_in_process(
                instance=self.instance,
                raise_on_error=False,
                tags={"foss/tick": (START + timedelta(minutes=2 * tick)).isoformat()},
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )

    def requested(self) -> set[str]:
        """Return the tables that automation requests now."""
        result = dg.evaluate_automation_conditions(self.defs, self.instance, cursor=self._cursor)
        self._cursor = result.cursor
        keys = [key for key in specs_with_condition(self.defs) if result.get_num_requested(key)]
        return {key.path[-1] for key in keys}

    def materialized(self, result: dg.ExecuteInProcessResult) -> set[str]:
        """Return the tables that the run materialized."""
        events = self.instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        return {event.asset_materialization.asset_key.path[-1] for event in events if event.asset_materialization}

    def tag(self, result: dg.ExecuteInProcessResult, name: str) -> str | None:
        run = self.instance.get_run_by_id(result.run_id)
        assert run is not None
        return run.tags.get(name)


@pytest.fixture
def location(parsed_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Location]:
    made = Location(parsed_settings, monkeypatch)
    yield made
    made.instance.dispose()


def specs_with_condition(defs: dg.Definitions) -> list[dg.AssetKey]:
    return [spec.key for spec in defs.resolve_all_asset_specs() if spec.automation_condition]


def verdicts(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {check.check_name: check.passed for check in result.get_asset_check_evaluations()}


def error_of(result: dg.ExecuteInProcessResult) -> str:
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return " ".join(str(data.user_failure_data.description) for data in failures if data.user_failure_data)


def test_a_tick_that_is_run_twice_adds_its_rows_once(location: Location) -> None:
    first = location.run(0, answer(0))
    assert first.success
    assert location.materialized(first) >= MODELS | {"stavanger_parking", "stavanger_parking__rejected", "polls"}
    bronze, polls = read(location.settings, BRONZE), read(location.settings, "ops.polls")
    assert (len(bronze), len(polls)) == (2, 1)
    # a different answer, which must not be requested
    second = location.run(0, answer(1, records=3))
    assert second.success
    assert (read(location.settings, BRONZE), read(location.settings, "ops.polls")) == (bronze, polls)
    # the seed has not changed, so it is not built and tested again
    assert "parking_sites" in location.materialized(first) - location.materialized(second)
    assert verdicts(first) == {**verdicts(second), "parking_sites_key_is_unique": True}
    assert {check.description for check in second.get_asset_check_evaluations() if "record" in check.check_name} == {
        check.description for check in first.get_asset_check_evaluations() if "record" in check.check_name
    }


def test_automation_builds_only_tables_that_a_run_left_out(location: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    assert location.requested() == set()
    assert location.run(0, answer(0)).success
    assert location.requested() == set()

    blocked = location.run(1, answer(1, records=51))
    assert not blocked.success
    assert verdicts(blocked)["rows_in_expected_range"] is False
    assert not location.materialized(blocked) & MODELS
    assert len(read(location.settings, BRONZE)) == 2 + 51
    assert location.tag(blocked, RETRIES) == "0"
    # it counts polls, and ops.polls has a new one; tables built from bronze wait
    assert location.requested() == {"parking_feed_health"}
    assert location.requested() == set()

    def broken(*_: object, **__: object) -> Iterator[Any]:
        raise PermanentError("dbt could not run.")

    with monkeypatch.context() as patch:
        patch.setattr(build_step, "build", broken)
        failed = location.run(2, answer(2))
    assert not failed.success
    assert error_of(failed) == "dbt could not run."
    assert "stavanger_parking" in location.materialized(failed)
    assert location.requested() == MODELS
    assert location.requested() == set()


@pytest.mark.parametrize(
    ("poll", "words", "retries"),
    [
        (answer(0, body=b"<!DOCTYPE html><title>Vedlikehold</title>"), "The body is not JSON", "0"),
        (answer(0, status=503), "503", None),
    ],
    ids=["html", "http-503"],
)
def test_a_feed_that_fails_fails_the_run_and_is_logged(
    location: Location, poll: RecordedPoll, words: str, retries: str | None
) -> None:
    result = location.run(0, poll)
    assert not result.success
    assert words in error_of(result)
    assert location.materialized(result) == {"polls"}
    assert location.tag(result, RETRIES) == retries
    assert read(location.settings, BRONZE) == []
    (logged,) = read(location.settings, "ops.polls")
    assert logged["status"] == "failed"
    assert words in logged["error"]
    assert logged["error_class"] == ("permanent" if retries else "transient")
    # the next attempt of the same tick commits the poll
    assert location.run(0, answer(0)).success
    assert len(read(location.settings, BRONZE)) == 2
    assert [row["status"] for row in read(location.settings, "ops.polls")].count("failed") == 1
