"""Lakes that need maintenance, and a code location on such a lake, for tests of the maintenance job."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
from pyiceberg.table import Table

from foss_platform.components.shared.loading import Platform
from foss_platform.definitions import build_defs
from foss_platform.lake.commit.commit_with_retry import Change, apply_change
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import TablePolicy
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_table
from foss_platform.settings import Settings

SCHEMA = pa.schema([("id", pa.int64())])
SENSOR = "maintenance_when_due"


def grow(settings: Settings, name: str, commits: int, **policy: Any) -> Table:
    """Create a table with so many commits of one row each and no maintenance."""
    catalog, table_name = open_catalog(settings), TableName(*name.split("."))
    ensure_table(catalog, TableSpec(table_name, SCHEMA, key=("id",), policy=TablePolicy(**policy)))
    for number in range(commits):
        apply_change(catalog, table_name, adding(number))
    return load_table(catalog, table_name)


def adding(number: int) -> Callable[[Table], Change]:
    return lambda _: Change(pa.table({"id": [number]}, schema=SCHEMA))


def lose_manifest(table: Table) -> None:
    snapshot = table.current_snapshot()
    assert snapshot is not None
    Path(snapshot.manifests(table.io)[0].manifest_path.removeprefix("file://")).unlink()


class Location:
    """The code location on a new home, with an instance in memory."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.defs = build_defs(Platform(settings))
        self.instance = dg.DagsterInstance.ephemeral()

    def maintenance(self, **config: Any) -> dg.ExecuteInProcessResult:
        return self.defs.resolve_job_def("maintenance").execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            run_config={
                "ops": {"maintain_tables": {"config": config}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
        )

    def look(self, cursor: str | None = None) -> dg.SensorResult:
        context = dg.build_sensor_context(instance=self.instance, cursor=cursor)
        found = self.defs.resolve_sensor_def(SENSOR)(context)
        assert isinstance(found, dg.SensorResult)
        return found


def error_of(result: dg.ExecuteInProcessResult) -> str:
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return " ".join(str(data.user_failure_data.description) for data in failures if data.user_failure_data)
