"""Writes polls to Iceberg with the platform and with dlt's filesystem destination (`table_format="iceberg"`)."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from foss_platform.cli.shared.pages import find_feed
from foss_platform.ingest.recording.recording import RecordedPoll
from foss_platform.ingest.recording.replay import replay
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform_tests.benchmarks.ingest.polls import PIPELINE, REAL_POLLS, bulk, origin
from foss_platform_tests.benchmarks.measure import Bench, BenchmarkError, in_own_process, settings_of
from foss_platform_tests.benchmarks.report import Figure, Report

_METHOD = """\
Ours: the body is parsed, hashed and validated against the contract. The rows are committed to bronze, and the attempt \
to the poll log. A batch that is already committed is not committed again. dlt: the body is parsed and appended with \
the time of the poll, without a contract or a poll log. Both sides read bodies from memory and write local Iceberg \
tables. Bulk: {bulk:,} polls of {origin}, with each side in its own process, and imports not counted. Single polls: \
both sides alternate in one warm process, after {before} polls."""


def run(bench: Bench) -> Report:
    """Run the benchmark."""
    try:
        import dlt  # noqa: F401
    except ImportError:
        raise BenchmarkError("dlt is not installed. Run `make bench`, which installs it.") from None
    count, rounds = bench.choose(REAL_POLLS, 200), bench.choose(3, 1)
    before, singles = bench.choose(300, 20), bench.choose(15, 2)
    of_ours, of_theirs = [], []
    for number in range(rounds):
        of_ours.append(in_own_process(bench.folder, bulk_ours, bench.folder / f"ours{number}", count).value)
        of_theirs.append(in_own_process(bench.folder, bulk_dlt, bench.folder / f"dlt{number}", count).value)
    ours, ours_processor = zip(*of_ours, strict=True)
    theirs, theirs_processor = zip(*of_theirs, strict=True)
    single = in_own_process(bench.folder, single_polls, bench.folder / "single", before, singles).value
    figures = [
        _ratio("single poll: dlt / ours", single["dlt"], single["ours"], 15),
        Figure("  ours", [value * 1000 for value in single["ours"]], "ms"),
        Figure("  dlt", [value * 1000 for value in single["dlt"]], "ms"),
        _ratio("bulk: dlt / ours", theirs, ours, 5),
        Figure("  ours", ours, "s"),
        Figure("  dlt", theirs, "s"),
        _ratio("processor time, bulk: dlt / ours", theirs_processor, ours_processor),
        Figure("  ours", ours_processor, "s"),
        Figure("  dlt", theirs_processor, "s"),
    ]
    return Report("dlt", _METHOD.format(bulk=count, origin=origin(), before=before), figures)


def bulk_ours(home: str, count: int) -> tuple[float, float]:
    """Return the seconds and processor seconds in which the platform commits the polls."""
    catalog, feed, polls = open_catalog(settings_of(home)), find_feed(PIPELINE), bulk(count)
    started, processor = time.perf_counter(), time.process_time()
    taken = replay(catalog, feed, polls, "recording:benchmark", {})
    if taken.new_polls != count:
        raise BenchmarkError(f"Only {taken.new_polls} of {count} polls were committed.")
    return time.perf_counter() - started, time.process_time() - processor


def bulk_dlt(folder: str, count: int) -> tuple[float, float]:
    """Return the seconds and processor seconds in which dlt appends the same polls."""
    polls, pipeline = bulk(count), _pipeline(Path(folder))
    started, processor = time.perf_counter(), time.process_time()
    pipeline.run(_resource(polls))
    return time.perf_counter() - started, time.process_time() - processor


def single_polls(folder: str, before: int, count: int) -> dict[str, list[float]]:
    """Return the seconds of each single poll for both sides, measured alternately."""
    catalog, feed, pipeline = open_catalog(settings_of(f"{folder}/home")), find_feed(PIPELINE), _pipeline(Path(folder))
    polls = bulk(before + count + 1)
    replay(catalog, feed, polls[:before], "recording:benchmark", {})
    pipeline.run(_resource(polls[:before]))
    seconds: dict[str, list[float]] = {"ours": [], "dlt": []}
    for poll in polls[before:]:
        started = time.perf_counter()
        replay(catalog, feed, [poll], "recording:benchmark", {})
        between = time.perf_counter()
        pipeline.run(_resource([poll]))
        seconds["ours"].append(between - started)
        seconds["dlt"].append(time.perf_counter() - between)
    # the first poll of each side is not warm
    return {side: values[1:] for side, values in seconds.items()}


def _pipeline(folder: Path) -> Any:
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "CRITICAL"
    os.environ["DLT_DATA_DIR"] = str(folder / "dlt")
    import dlt

    destination = dlt.destinations.filesystem(bucket_url=(folder / "bucket").as_uri())
    return dlt.pipeline(
        "parking", destination=destination, dataset_name="bronze", pipelines_dir=str(folder / "pipelines")
    )


def _resource(polls: list[RecordedPoll]) -> Any:
    import dlt

    def pages() -> Iterator[list[dict[str, Any]]]:
        for poll in polls:
            yield [
                {**record, "polled_at": poll.polled_at, "record_index": index}
                for index, record in enumerate(json.loads(poll.body))
            ]

    return dlt.resource(pages, name="stavanger_parking", write_disposition="append", table_format="iceberg")


def _ratio(what: str, theirs: Sequence[float], ours: Sequence[float], goal: float | None = None) -> Figure:
    return Figure(what, [a / b for a, b in zip(theirs, ours, strict=True)], goal=goal, at_least=True)
