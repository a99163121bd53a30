"""The sensor that requests maintenance as soon as a table needs it, before the schedule's next tick.

It checks a limited number of tables at a time, and requests maintenance once for each state of a table. See
`lake.maintenance.health` for when a table needs maintenance, and `components.maintenance.maintenance_asset` for the
job.
"""

import json
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from foss_platform.components.maintenance.maintenance_asset import maintenance_config
from foss_platform.components.shared.loading import Platform
from foss_platform.components.shared.table_health import look_at
from foss_platform.errors import FossError
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import list_tables, load_table
from foss_platform.settings import Switch

_INTERVAL_SECONDS = 300
# Dagster ends an evaluation after 60 s, so an evaluation stops earlier. The next one starts with the first table left
_LOOKING_SECONDS = 20.0
# maintenance cannot fix everything, such as too many tags. Without a pause, each commit would request maintenance again
_ASK_AGAIN = timedelta(hours=1)
# the run key names every requested table. It is a tag, and Postgres indexes tags of at most 2.7 kB
_MAX_TABLES = 20


@dataclass(frozen=True)
class Memory:
    """The state that an evaluation passes to the next one.

    Attributes
    ----------
    begin_with
        The table to check first. Empty to start with the first table.
    asked
        For each table: when its maintenance was last requested.
    """

    begin_with: str = ""
    asked: dict[str, datetime] = field(default_factory=dict)

    @staticmethod
    def read(cursor: str | None) -> "Memory":
        """Read the state from the sensor's cursor."""
        try:
            content = json.loads(cursor or "{}")
            asked = {name: datetime.fromisoformat(moment) for name, moment in content["asked"].items()}
            return Memory(content["begin_with"], asked)
        except (ValueError, KeyError, TypeError, AttributeError):
            # no cursor yet, or one of another version. Starting anew is safe: run keys prevent repeated requests
            return Memory()

    def text(self) -> str:
        """Return the state as the sensor's cursor."""
        asked = {name: moment.isoformat() for name, moment in self.asked.items()}
        return json.dumps({"begin_with": self.begin_with, "asked": asked})


@dataclass
class Look:
    """The findings: the snapshot and needs of each table that needs maintenance, and the unreadable tables."""

    needs: dict[str, tuple[int, str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    begin_next_with: str = ""


def maintenance_sensor(platform: Platform, job: Any) -> dg.SensorDefinition:
    """Return the sensor that checks the tables every five minutes, and requests the maintenance that they need."""
    on = platform.settings.automation is Switch.ON

    @dg.sensor(
        name="maintenance_when_due",
        job=job,
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED,
        description="Requests maintenance of the tables whose health check would warn.",
    )
    def maintenance_when_due(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        now = platform.clock()
        memory = Memory.read(context.cursor)
        recently = {name: moment for name, moment in memory.asked.items() if now - moment < _ASK_AGAIN}
        try:
            look = _look(platform, memory.begin_with, recently)
        except FossError as error:
            return dg.SkipReason(str(error))
        asked = {**recently, **dict.fromkeys(look.needs, now)}
        cursor = Memory(look.begin_next_with, asked).text()
        if not look.needs:
            why = [
                *look.problems,
                *(f"maintenance of {name} was requested at {moment:%H:%M} UTC" for name, moment in recently.items()),
            ]
            return dg.SensorResult(skip_reason="; ".join(why) or "No table needs maintenance.", cursor=cursor)
        key = " ".join(f"{name}@{snapshot}" for name, (snapshot, _) in sorted(look.needs.items()))
        why = [f"{name}: {words}" for name, (_, words) in look.needs.items()]
        context.log.info("%s", "; ".join([*why, *look.problems]))
        request = dg.RunRequest(run_key=key, run_config=maintenance_config(sorted(look.needs)))
        return dg.SensorResult(run_requests=[request], cursor=cursor)

    return maintenance_when_due


def _look(platform: Platform, begin_with: str, recently: dict[str, datetime]) -> Look:
    catalog = open_catalog(platform.settings, create=False)
    names = list_tables(catalog)
    first = next((place for place, name in enumerate(names) if str(name) == begin_with), 0)
    look, until = Look(), time.monotonic() + _LOOKING_SECONDS
    for name in names[first:] + names[:first]:
        if time.monotonic() > until or len(look.needs) == _MAX_TABLES:
            look.begin_next_with = str(name)
            break
        if str(name) in recently:
            continue
        try:
            _look_at(catalog, name, look)
        except Exception as error:
            # a library may raise any error for a damaged table, and the other tables must still be checked
            look.problems.append(f"{name}: {error}")
    return look


def _look_at(catalog: Any, name: TableName, look: Look) -> None:
    table = load_table(catalog, name)
    snapshot = table.current_snapshot()
    if snapshot is not None and (needs := look_at(table).needs):
        look.needs[str(name)] = (snapshot.snapshot_id, "; ".join(needs))
