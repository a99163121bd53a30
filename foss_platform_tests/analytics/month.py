"""A lake that holds the real month, taken in in two goes, so that it can be asked what it knew after the first.

Not here: what is asked of it.
"""

import gzip
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pyiceberg.catalog import Catalog

from foss_platform.cli.shared.pages import find_feed
from foss_platform.cli.shared.recorded import take_in
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.settings import Settings
from foss_platform.transform.manifest import prepare_manifest
from foss_platform.transform.runner import build

#: In UTC: the first go ends here, with October.
HALF = datetime(2020, 10, 31, 23, tzinfo=UTC)


@dataclass(frozen=True)
class Month:
    """The lake, and the moment at which only the first go was in it."""

    settings: Settings
    catalog: Catalog
    after_first_go: datetime


def make_month(settings: Settings, recording: Path) -> Month:
    """Take the recording in and build silver and gold, twice."""
    feed = find_feed("stavanger_parking")
    prepare_manifest(settings)
    moments = []
    for part in _halves(recording, settings.home):
        take_in(settings, feed, part)
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
