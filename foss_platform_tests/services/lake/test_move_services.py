"""Moves a lake from SQLite and a folder to real servers, where polling continues. The source is not changed.

`pipeline.move.test_move` covers all moves. Its tests that depend on the servers run here again.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog
from typer.testing import CliRunner

from foss_platform.cli.main import app
from foss_platform.errors import TransientError
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.recording.recording import read_recording
from foss_platform.lake.move.copy import Phase
from foss_platform.lake.move.plan import MoveStatus, plan_move
from foss_platform.lake.move.target import open_target, read_target
from foss_platform.lake.table.tables import list_tables, load_table
from foss_platform.settings import Settings
from foss_platform.transform.project.folders import target_folder
from foss_platform_tests.faults.injection.kill_points import ANSWERED, TOLD
from foss_platform_tests.faults.injection.trial import attempt
from foss_platform_tests.pipeline.move import moving_lake as moving
from foss_platform_tests.pipeline.move import test_move
from foss_platform_tests.pipeline.move.moving_lake import (
    Target,
    carry_or_die,
    everything,
    goes_on,
    is_the_same,
    tree,
    written,
)
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import EXCERPT, Pipeline, made_up_polls
from foss_platform_tests.services.lakes import Kind, Lake, made_lake, set_environment
from foss_platform_tests.services.servers.minio import Minio
from foss_platform_tests.services.servers.postgres import Postgres

pytestmark = pytest.mark.parametrize("kind", [Kind.POSTGRES_MINIO, Kind.REST_MINIO], indirect=True)

_PREFIX = "PYICEBERG_CATALOG__LAKE__"

# the same fixtures on servers, with the `target` below
small = moving.small
foss = moving.foss
test_move_ended_after_any_step_is_resumed = test_move.test_move_ended_after_any_step_is_resumed
test_changed_table_is_copied_again = test_move.test_changed_table_is_copied_again
test_a_target_that_goes_on_is_never_overwritten = test_move.test_target_with_new_commits_is_complete_and_not_overwritten
test_a_copy_that_differs_is_dropped = test_move.test_a_copy_that_differs_is_dropped
test_columns_that_have_changed = test_move.test_columns_that_have_changed_keep_their_ids_and_values
test_a_target_that_holds_other_tables_is_refused = test_move.test_a_target_that_holds_other_tables_is_refused
test_moved_lake_can_be_moved_again = test_move.test_moved_lake_can_be_moved_again


@pytest.fixture
def there(kind: Kind, postgres: Postgres, minio: Minio, tmp_path: Path) -> Iterator[Lake]:
    """An empty lake as the target of the move. The environment does not name it yet."""
    with made_lake(kind, tmp_path / "there", postgres, minio) as made:
        yield made


@pytest.fixture
def target(there: Lake, tmp_path: Path) -> Target:
    """A file that names the lake, including its secrets."""
    lake = {_property(name): value for name, value in there.environment.items() if name.startswith(_PREFIX)}
    return Target(written(tmp_path / "target.yaml", lake), Settings(home=tmp_path / "there"))


@pytest.fixture
def command(there: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments of `foss move` with a file without secrets, which are in the environment."""
    lake = {}
    for name, value in there.environment.items():
        if name.startswith(_PREFIX):
            monkeypatch.setenv(f"MOVE_{name}", value)
            lake[_property(name)] = f"${{MOVE_{name}}}"
    file = written(tmp_path / "command.yaml", lake)
    assert not any(secret in file.read_text() for secret in there.secrets)
    return ["move", "--to", str(file)]


def _property(variable: str) -> str:
    return variable.removeprefix(_PREFIX).lower().replace("__", ".").replace("_", "-")


def move(foss: CliRunner, command: list[str], there: Lake) -> str:
    """Run the command successfully. Return its output, after checking that it contains no secret."""
    result = foss.invoke(app, command)
    assert result.exit_code == 0, result.output
    assert not any(secret in result.output for secret in there.secrets)
    return result.output


def objects(there: Lake) -> dict[str, int]:
    """Return the objects of the store and their sizes."""
    assert there.store_server is not None
    bucket = there.warehouse.split("/")[2]
    found = there.store_server.files.find(bucket, detail=True)
    return {path: about["size"] for path, about in found.items()}


def test_the_excerpt_is_moved_and_polling_continues(
    parsed_project: Path,
    parsed_settings: Settings,
    feed: Feed,
    there: Lake,
    command: list[str],
    foss: CliRunner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = Pipeline(parsed_settings, feed)
    polls = list(read_recording(EXCERPT))
    first = polls[:-6]
    for start in range(0, len(first), 400):
        here.ingest(first[start : start + 400])
    here.build()
    files = tree(parsed_settings.home)
    said = move(foss, [*command, "--yes"], there)
    names = list_tables(here.catalog)
    assert all(name.name in said for name in names)

    set_environment(monkeypatch, there.environment)
    shutil.copytree(parsed_project, target_folder(there.settings))
    moved = Pipeline(there.settings, feed)
    is_the_same(here.catalog, moved.catalog)
    assert all(load_table(moved.catalog, name).metadata_location.startswith(there.warehouse) for name in names)
    goes_on(moved, polls, new=6)
    assert tree(parsed_settings.home) == files


def test_a_killed_move_is_resumed(
    settings: Settings,
    feed: Feed,
    kind: Kind,
    there: Lake,
    target: Target,
    command: list[str],
    foss: CliRunner,
) -> None:
    here = Pipeline(settings, feed)
    for poll in made_up_polls(3, 4):
        here.ingest([poll])
    before, files = everything(here.catalog), tree(settings.home)
    told = ANSWERED if kind is Kind.REST_MINIO else TOLD
    first, second = list_tables(here.catalog)[:2]
    # before the rows, with files written, with the rows possibly committed, and before a later table is verified
    points = [f"{first}: {Phase.MADE}", f"{first}: {Phase.COPYING}", f"{first}: {told}", f"{second}: {Phase.COPIED}"]
    for point in points:
        assert attempt(carry_or_die, settings.home, target.file, point).killed, point
    said = move(foss, [*command, "--yes"], there)
    assert everything(target.catalog()) == before
    assert tree(settings.home) == files
    assert {found.status for found in plan_move(here.catalog, target.catalog()).tables} == {MoveStatus.COMPLETE}
    for name in list_tables(here.catalog):
        assert str(name) in said
        assert len(load_table(target.catalog(), name).snapshots()) <= 1


def test_a_dry_run_writes_nothing(
    small: Catalog, settings: Settings, there: Lake, target: Target, command: list[str], foss: CliRunner
) -> None:
    files, copies = tree(settings.home), objects(there)
    assert "nothing was written" in move(foss, [*command, "--dry-run"], there)
    assert objects(there) == copies
    assert tree(settings.home) == files
    destination = open_target(read_target(target.file, {}), create=False)
    assert destination is None or destination.list_namespaces() == []


def test_an_unavailable_store_is_one_clear_error_without_secrets(
    small: Catalog, there: Lake, target: Target, command: list[str], foss: CliRunner
) -> None:
    assert there.store_server is not None
    there.store_server.stop()
    result = foss.invoke(app, [*command, "--yes"])
    there.store_server.start()
    assert isinstance(result.exception, TransientError)
    said = f"{result.output} {result.exception} {result.exception!r}"
    assert not any(secret in said for secret in there.secrets)
    moving.put(small, 50)
    move(foss, [*command, "--yes"], there)
    assert everything(target.catalog()) == everything(small)
