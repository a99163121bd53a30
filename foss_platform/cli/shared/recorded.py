"""Loads a recording with a progress bar, for `foss replay`, `foss demo` and `foss dev`."""

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from foss_platform.cli.shared.terminal import messages
from foss_platform.ingest.page.feed import Feed
from foss_platform.settings import Settings

if TYPE_CHECKING:
    from foss_platform.ingest.recording.recording import RecordedPoll
    from foss_platform.ingest.recording.replay import ReplayTotals


def ingest(settings: Settings, feed: Feed, file: Path, polls: "Iterable[RecordedPoll] | None" = None) -> "ReplayTotals":
    """Replay all polls of `file` into bronze, or only the given `polls`."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from foss_platform.ingest.recording.recording import count_recording, read_recording
    from foss_platform.ingest.recording.replay import replay
    from foss_platform.lake.connect.catalog import open_catalog

    chosen = None if polls is None else list(polls)
    total = count_recording(file) if chosen is None else len(chosen)
    catalog = open_catalog(settings)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=messages(), transient=True) as bar:
        task = bar.add_task("polls", total=total)
        return replay(
            catalog,
            feed,
            read_recording(file) if chosen is None else chosen,
            f"recording:{file.name}",
            {"foss.version": version("foss-platform")},
            lambda count: bar.advance(task, count),
        )
