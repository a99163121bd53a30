"""Dagster's configuration of a home on one machine: writes it, and finds missing settings in older files."""

import os
from contextlib import nullcontext, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

_NAME = "dagster.yaml"
CONFIGURATION = """\
# Written by foss, and updated by foss until you change it. You may change it.
telemetry: {enabled: false}
# the dialog would cover the page at the first visit
nux: {enabled: false}
concurrency:
  # one writer per table, one dbt build per pipeline. With `op`, a waiting run would start and keep a core busy
  pools: {granularity: run, default_limit: 1}
# a queued run waits up to this long; the default is 5
run_queue: {dequeue_interval_seconds: 1}
# of a run, the terminal shows log messages and errors, not each event
python_logs: {python_log_level: INFO}
# a run that hangs is ended after its job's dagster/max_runtime, or after 4 hours
run_monitoring:
  enabled: true
  poll_interval_seconds: 15
  free_slots_after_run_end_seconds: 5
  max_runtime_seconds: 14400
run_retries: {enabled: true, max_retries: 2}
# retention of ticks: sensors and schedules make thousands a day. The job prune_history deletes old runs
retention:
  schedule: {purge_after_days: {skipped: 1, success: 3, failure: 30, started: 3}}
  sensor: {purge_after_days: {skipped: 1, success: 3, failure: 30, started: 3}}
  auto_materialize: {purge_after_days: {skipped: 1, success: 3, failure: 30, started: 3}}
"""
#: SHA-256 of the files that earlier versions wrote.
_EARLIER = frozenset(
    {
        "3150b17b583374abed921409fc5031f4e4f22aecfbc992726b37e1c0938c71e9",
        "fc0f38fcdb85d53666496503639cb07e20e3df78c2daa74c6c7975962be620cb",
        "0e20859b3a0a7fb9544e60289a7c0b6d966872980032f963171dc085ec4d6294",
        "1840679e6d950b5583d497f42774b4ec99838621e68f8d5b93731f2350afa386",
        "30b22302f821509b1bc195e676ee22783570e20e251676d66ba74b45793b0575",
        "0807cf6109ffcf38b72cfc0c85c5ee24af7de355ff7da385d01cfb24bd2b85e1",
    }
)
_RELIED_ON: dict[tuple[str, ...], Any] = {
    ("concurrency", "pools", "granularity"): "run",
    ("concurrency", "pools", "default_limit"): 1,
    ("run_monitoring", "enabled"): True,
    ("run_retries", "enabled"): True,
}


def write_configuration(folder: Path) -> None:
    """Write `dagster.yaml` if there is none, or if the existing file is unchanged from an earlier version."""
    file = folder / _NAME
    exists = file.exists()
    if exists and sha256(file.read_bytes()).hexdigest() not in _EARLIER:
        return
    # an old file in a read-only folder is good enough for reading
    with suppress(OSError) if exists else nullcontext():
        draft = file.with_name(f".{_NAME}.{os.getpid()}")
        draft.write_text(CONFIGURATION)
        draft.replace(file)


def configuration_lacks(folder: Path) -> list[str]:
    """Return the settings that the platform needs and the folder's file lacks, as lines to add."""
    import yaml

    file = folder / _NAME
    content = yaml.safe_load(file.read_text()) if file.exists() else {}
    lacking = [
        f"{'.'.join(path)}: {str(value).lower()}" for path, value in _RELIED_ON.items() if _at(content, path) != value
    ]
    if not _at(content, ("run_monitoring", "max_runtime_seconds")):
        lacking.append("run_monitoring.max_runtime_seconds (such as 14400)")
    return lacking


def _at(content: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        content = content.get(key) if isinstance(content, dict) else None
    return content
