"""`foss adopt`: a copied or moved home becomes its own, with its history, and its original stays as it is.

Held here also: an adoption that is killed at every step and run again, links into the original, half-copied files.
"""

import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import clear_manifest_cache

from foss_platform.errors import ConfigurationError, PermanentError
from foss_platform.lake.adopt import adopt as adopt_module
from foss_platform.lake.adopt.adopt import adopt, plan_adoption
from foss_platform.lake.adopt.relocation import Relocation
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files.table_files import Storage
from foss_platform.lake.maintenance.referenced_files import references_of
from foss_platform.lake.ownership.mark import MARK, ForeignLakeError
from foss_platform.lake.ownership.owner import ownership_of
from foss_platform.lake.ownership.require_own import require_own
from foss_platform.lake.snapshots.pins import pin_state
from foss_platform.lake.snapshots.points import all_points, point_table
from foss_platform.lake.table.tables import load_table
from foss_platform.settings import Settings
from foss_platform_tests.foreign import merge_elsewhere
from foss_platform_tests.pipeline.cli.command_line import foss_in
from foss_platform_tests.pipeline.ownership.copies import (
    THINGS,
    add,
    clean_up,
    copied,
    files_of,
    fill,
    ids,
    moved,
    rows_of,
)


@pytest.fixture
def lake(settings: Settings) -> Settings:
    """A lake with live snapshots, a pinned state and a merge behind it."""
    catalog = fill(settings, 24)
    pin(catalog)
    return settings


def pin(catalog: Catalog) -> None:
    pin_state(load_table(catalog, THINGS), datetime.now(UTC).replace(minute=0, second=0, microsecond=0))


def opened(home: Path) -> Catalog:
    return open_catalog(Settings(home=home), create=False, judge=False)


def adopted(home: Path) -> Catalog:
    catalog = opened(home)
    adopt(catalog, plan_adoption(catalog))
    return catalog


def history(home: Path) -> list[list[int]]:
    """The rows of each state that can be read, live or pinned."""
    clear_manifest_cache()
    table = load_table(opened(home), THINGS)
    return [
        ids(point_table(table, point).scan(snapshot_id=point.snapshot_id).to_arrow()) for point in all_points(table)
    ]


def needed(home: Path) -> set[str]:
    """Every file that any state of the tables needs."""
    table = load_table(opened(home), THINGS)
    storage = Storage(table)
    return set(references_of(table, [p for p in all_points(table) if p.is_pinned], storage.path_of).needed)


@pytest.mark.parametrize("unmarked", [False, True])
def test_adopted_moved_home_is_writable_with_its_history(lake: Settings, tmp_path: Path, *, unmarked: bool) -> None:
    states, rows = history(lake.home), rows_of(lake.home)
    if unmarked:
        (lake.home / "warehouse" / MARK).unlink()
    there = moved(lake.home, tmp_path / "there")
    catalog = adopted(there)
    assert ownership_of(catalog).is_own
    assert (history(there), rows_of(there)) == (states, rows)
    assert all(path.startswith(str(there)) for path in needed(there))
    add(opened(there), 100)
    clean_up(there)
    assert rows_of(there)[str(THINGS)][-1] == 100


@pytest.mark.parametrize("unmarked", [False, True])
def test_a_copied_home_gets_files_of_its_own(lake: Settings, tmp_path: Path, *, unmarked: bool) -> None:
    states, before = history(lake.home), rows_of(lake.home)
    if unmarked:
        (lake.home / "warehouse" / MARK).unlink()
    copy, files = copied(lake.home, tmp_path / "copy"), files_of(lake.home)
    adopted(copy)
    assert files_of(lake.home) == files
    assert (history(copy), rows_of(copy)) == (states, before)
    assert all(path.startswith(str(copy)) for path in needed(copy))
    # both go on, and neither sees or harms the other
    add(opened(copy), 200)
    add(open_catalog(lake), 300)
    for home in (copy, lake.home):
        clean_up(home)
    assert rows_of(copy)[str(THINGS)] == [*before[str(THINGS)], 200]
    assert rows_of(lake.home)[str(THINGS)] == [*before[str(THINGS)], 300]
    shutil.rmtree(lake.home)
    assert rows_of(copy)[str(THINGS)][-1] == 200


def test_a_catalog_that_was_copied_alone_gets_all_files(lake: Settings, tmp_path: Path) -> None:
    states, files = history(lake.home), files_of(lake.home)
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(lake.home / "catalog.db", alone)
    adopted(alone)
    assert (history(alone), files_of(lake.home)) == (states, files)
    shutil.rmtree(lake.home)
    assert history(alone) == states


def test_adoption_killed_at_any_step_can_be_resumed(
    lake: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states, rows = history(lake.home), rows_of(lake.home)
    copy, files = copied(lake.home, tmp_path / "copy"), files_of(lake.home)
    at, ended = 0, 0

    class Killed(BaseException):
        """As if the process had ended."""

    def dies(kind: object, name: str, after: bool) -> None:
        done = getattr(kind, name)

        def call(*arguments: object, **options: object) -> object:
            nonlocal at
            at += 1
            if not after and at == ended:
                raise Killed
            result = done(*arguments, **options)
            if after and at == ended:
                raise Killed
            return result

        monkeypatch.setattr(kind, name, call)

    dies(Relocation, "_write", after=False)
    dies(type(opened(copy)), "drop_table", after=True)
    dies(type(opened(copy)), "register_table", after=False)
    dies(adopt_module, "write_mark", after=False)
    kills = 0
    while not ownership_of(opened(copy)).is_own:
        at, ended = 0, kills * 7 + 1
        try:
            adopted(copy)
        except Killed:
            kills += 1
            with pytest.raises(ForeignLakeError):
                require_own(opened(copy))
    assert kills > 3
    assert (history(copy), rows_of(copy)) == (states, rows)
    assert files_of(lake.home) == files
    assert "foss-adoption.json" not in [file.name for file in (copy / "warehouse").iterdir()]


def test_a_table_that_was_dropped_and_not_registered_comes_back(
    lake: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(lake.home)
    copy = copied(lake.home, tmp_path / "copy")
    catalog = opened(copy)
    with monkeypatch.context() as patch:
        patch.setattr(type(catalog), "register_table", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            adopt(catalog, plan_adoption(catalog))
    assert len(list(opened(copy).list_tables("bronze"))) < 1
    adopted(copy)
    assert rows_of(copy) == rows


def test_partially_copied_file_is_copied_again(lake: Settings, tmp_path: Path) -> None:
    rows = rows_of(lake.home)
    copy = copied(lake.home, tmp_path / "copy")
    data = sorted((copy / "warehouse").rglob("*.parquet"))
    data[0].write_bytes(data[0].read_bytes()[:100])
    data[-1].unlink()
    adopted(copy)
    assert rows_of(copy) == rows


def test_a_file_that_is_lost_is_named_and_the_lake_stays_read_only(lake: Settings, tmp_path: Path) -> None:
    there = moved(lake.home, tmp_path / "there")
    gone = Path(sorted(path for path in map(str, (there / "warehouse" / "bronze").rglob("*.parquet")))[-1])
    gone.unlink()
    with pytest.raises(PermanentError, match="missing"):
        adopted(there)
    with pytest.raises(ForeignLakeError):
        open_catalog(Settings(home=there))


def test_links_into_the_original_are_refused(lake: Settings, tmp_path: Path) -> None:
    copy, files = copied(lake.home, tmp_path / "copy"), files_of(lake.home)
    shutil.rmtree(copy / "warehouse" / "bronze")
    (copy / "warehouse" / "bronze").symlink_to(lake.home / "warehouse" / "bronze")
    with pytest.raises(PermanentError, match="link"):
        adopted(copy)
    shutil.rmtree(copy / "warehouse")
    (copy / "warehouse").symlink_to(lake.home / "warehouse")
    with pytest.raises(ConfigurationError, match="still there"):
        adopted(copy)
    assert files_of(lake.home) == files


def test_row_deletes_of_another_engine_name_the_new_files(lake: Settings, tmp_path: Path) -> None:
    merge_elsewhere(open_catalog(lake), THINGS, gone=[3])
    rows = rows_of(lake.home)
    copy = copied(lake.home, tmp_path / "copy")
    adopted(copy)
    shutil.rmtree(lake.home)
    assert rows_of(copy) == rows
    deletes = [file for file in (copy / "warehouse").rglob("*.parquet") if "file_path" in pq.read_schema(file).names]
    assert deletes
    assert all(str(copy) in str(path) for file in deletes for path in pq.read_table(file)["file_path"].to_pylist())


def test_the_command(
    lake: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = copied(lake.home, tmp_path / "copy")
    files = files_of(copy)
    foss = foss_in(copy, monkeypatch, capfd)
    code, _, err = foss("cleanup", "--yes")
    assert code == 2
    assert "foss adopt" in err
    code, out, err = foss("adopt", "--dry-run")
    assert code == 0
    assert "is a copy" in out
    assert "nothing was written" in err
    assert files_of(copy) == files
    code, _, err = foss("adopt")
    assert code == 2
    assert "--yes" in err
    code, out, _ = foss("adopt", "--yes")
    assert code == 0
    assert "own now" in out
    assert foss("cleanup", "--yes")[0] == 0
    code, out, _ = foss("adopt")
    assert code == 0
    assert "nothing to adopt" in out


def test_the_command_is_killed_and_run_again(lake: Settings, tmp_path: Path) -> None:
    states, rows = history(lake.home), rows_of(lake.home)
    copy, files = copied(lake.home, tmp_path / "copy"), files_of(lake.home)
    command = [str(Path(sys.executable).with_name("foss")), "adopt", "--yes"]
    environment = {**os.environ, "FOSS_HOME": str(copy)}

    times = {file: file.stat().st_mtime_ns for file in (copy / "warehouse").rglob("*.*") if file.is_file()}

    def mended() -> int:
        return sum(file.stat().st_mtime_ns != before for file, before in times.items())

    for enough in (1, 6, 14):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and mended() < enough:
            time.sleep(0.001)
        process.kill()
        process.wait(60)
    assert subprocess.run(command, env=environment, check=False, timeout=120).returncode == 0
    assert (history(copy), rows_of(copy)) == (states, rows)
    assert files_of(lake.home) == files
    add(opened(copy), 1)
