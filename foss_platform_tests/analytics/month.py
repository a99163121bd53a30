"""A lake with the real month, loaded in two parts so that time travel to the end of the first part works."""

import gzip
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pyiceberg.catalog import Catalog

from foss_platform.cli.shared.pages import find_feed
from foss_platform.cli.shared.recorded import ingest
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.settings import Settings
from foss_platform.transform.project.parsed import prepare_project
from foss_platform.transform.runner import build

#: End of the first part, in UTC: the end of October in Oslo.
HALF = datetime(2020, 10, 31, 23, tzinfo=UTC)


@dataclass(frozen=True)
class Month:
    """The lake, and a moment at which it contained only the first part."""

    settings: Settings
    catalog: Catalog
    after_first_go: datetime


def make_month(settings: Settings, recording: Path) -> Month:
    """Load the recording and build silver and gold, in two parts."""
    feed = find_feed("stavanger_parking")
    prepare_project(settings)
    moments = []
    for part in _halves(recording, settings.home):
        ingest(settings, feed, part)
        if failed := [result for result in build(settings) if result.status.is_failure]:
            raise RuntimeError(f"The month cannot be built: {failed}")
        moments.append(datetime.now(UTC))
    return Month(settings, open_catalog(settings), moments[0])


def _halves(recording: Path, folder: Path) -> list[Path]:
    with gzip.open(recording, "rt", encoding="utf-8") as lines:
        polls = list(lines)
    is_early = [datetime.fromisoformat(json.loads(line)["polled_at"]) < HALF for line in polls]
    halves = []
    for name, early in (("first", True), ("second", False)):
        path = folder / f"{name}.jsonl"
        path.write_text("".join(line for line, of in zip(polls, is_early, strict=True) if of is early))
        halves.append(path)
    return halves
