"""The disk of the warehouse and the catalog is full: a clear error, readable tables, and complete data afterwards."""

import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from foss_platform.ingest.page.feed import Feed
from foss_platform_tests.faults.conftest import Measured
from foss_platform_tests.faults.injection.polling import (
    BRONZE,
    TABLES,
    Ticking,
    take_in_tick,
    ticking,
    without_durations,
)
from foss_platform_tests.faults.injection.trial import attempt

_PAGE = 4096
_DISK_BYTES = 32_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a small tmpfs if this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except FileNotFoundError:
        pytest.skip("no mount command, so a full disk cannot be simulated")
    if done.returncode:
        pytest.skip(f"a tmpfs cannot be mounted, so a full disk cannot be simulated: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], timeout=10, check=True)


def leave(disk: Path, pages: int) -> Path:
    """Fill the disk except for the given number of pages. Return the file that fills it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(_PAGE))
        except OSError as error:
            assert error.errno == errno.ENOSPC
        file.truncate(max(0, file.tell() // _PAGE - pages) * _PAGE)
    return filler


def ingest(home: Path, feed: Ticking, tick: int) -> str:
    """Poll the given tick. Return the error if the poll failed."""
    feed.tick(tick)
    try:
        attempt(take_in_tick, home, feed.feed, tick)
    except RuntimeError as error:
        return str(error)
    return ""


def test_a_full_disk_is_reported_and_no_data_is_missing_afterwards(
    small_disk: Path, tmp_path: Path, feed: Feed, measured: Measured, *, full: bool
) -> None:
    # each value leaves room for some more files of a poll, and the last values leave room for all of them
    rooms = range(90) if full else (0, 3, 12, 80)
    errors = []
    with ticking(feed, ["mixed"] * (len(rooms) + 1)) as served:
        assert ingest(small_disk / "home", served, 0) == ""
        for tick, pages in enumerate(rooms, start=1):
            before = without_durations(small_disk / "home")
            filler = leave(small_disk, pages)
            error = ingest(small_disk / "home", served, tick)
            standing = without_durations(small_disk / "home")
            if error:
                assert error.startswith("TransientError: "), error
                assert "space" in error, error
                errors.append(error)
                assert all(row in standing[table] for table in TABLES for row in before[table])
                assert len(standing[BRONZE]) - len(before[BRONZE]) in (0, 2)
            filler.unlink()
            assert ingest(small_disk / "home", served, tick) == ""
        for tick in range(len(rooms) + 1):
            assert ingest(tmp_path / "without", served, tick) == ""
    assert without_durations(small_disk / "home") == without_durations(tmp_path / "without")
    assert 0 < len(errors) < len(rooms)
    measured("polls on a full disk", len(errors))
    measured("errors", sorted(set(errors)))
