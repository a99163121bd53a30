"""Trino fails during a build: one clear error in time, unchanged or complete tables, and the next run repairs them.

See `test_trino_cluster` for the loss of a worker.
"""

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest
import trino.dbapi
from pyiceberg.catalog import Catalog

from foss_platform.engine import Engine
from foss_platform.errors import TransientError
from foss_platform.settings import load_settings
from foss_platform.transform.runner import build
from foss_platform.transform.trino import run as trino_run
from foss_platform.transform.trino.built_table import BuiltTable
from foss_platform_tests.faults.injection.trial import attempt
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import SILVER
from foss_platform_tests.services.lake.polling import refused
from foss_platform_tests.services.servers.postgres import Postgres
from foss_platform_tests.services.servers.process import Server
from foss_platform_tests.services.trino.building import FEW, TrinoPipeline, is_committing, is_running
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake
from foss_platform_tests.tables import content

#: Trino's driver waits for 15 s, and Iceberg then asks whether its commit succeeded.
FROZEN_CATALOG_SECONDS = 120.0


def set_environment(stand: TrinoOnLake, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.set_environment(monkeypatch)
    monkeypatch.setenv("FOSS_ENGINE", Engine.TRINO.value)


@pytest.fixture(scope="module")
def built(trino_on_folder: TrinoOnLake) -> Iterator[TrinoPipeline]:
    """The lake after the first build, which is slow and therefore runs once. Each test repairs the lake at its end."""
    trino_on_folder.renew()
    with pytest.MonkeyPatch.context() as patched:
        set_environment(trino_on_folder, patched)
        trino_pipeline = TrinoPipeline(trino_on_folder)
    yield trino_pipeline
    trino_on_folder.server.ensure_running()


@pytest.fixture
def trino_pipeline(
    built: TrinoPipeline, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TrinoPipeline]:
    set_environment(built.stand, monkeypatch)
    built.more()
    yield built
    postgres.ensure_running()
    built.stand.server.ensure_running()


@pytest.mark.parametrize(
    ("away", "is_there", "full_refresh"),
    [
        (Server.kill, is_running, True),
        (Server.kill, is_committing, False),
        (Server.freeze, is_running, False),
        (Server.freeze, is_committing, True),
    ],
)
def test_unavailable_while_a_model_is_built(
    trino_pipeline: TrinoPipeline,
    away: Callable[[Server], None],
    is_there: Callable[[TrinoPipeline, str], bool],
    full_refresh: bool,
) -> None:
    before = trino_pipeline.at()
    with trino_pipeline.held():
        result = trino_pipeline.failed_by(
            partial(away, trino_pipeline.stand.server), is_there, full_refresh=full_refresh
        )
        assert "does not answer" in result.message
        assert not result.is_permanent
        assert trino_pipeline.at() == before
    # Postgres may still execute a commit of the dead Trino, which makes the table complete
    trino_pipeline.stand.server.ensure_running()
    trino_pipeline.heal(late=True)


@pytest.mark.parametrize("away", [Server.kill, Server.freeze])
def test_unavailable_from_the_start(trino_pipeline: TrinoPipeline, away: Callable[[Server], None]) -> None:
    before = trino_pipeline.at()
    away(trino_pipeline.stand.server)
    error = refused(trino_pipeline.stand.lake, trino_pipeline.results)
    assert isinstance(error, TransientError)
    assert "Trino" in str(error)
    assert trino_pipeline.at() == before
    trino_pipeline.stand.server.ensure_running()
    trino_pipeline.heal()


@pytest.mark.parametrize("full_refresh", [True, False])
def test_the_catalog_is_unavailable_while_a_model_is_built(
    trino_pipeline: TrinoPipeline, postgres: Postgres, full_refresh: bool
) -> None:
    before = trino_pipeline.at()
    with trino_pipeline.held():
        result = trino_pipeline.failed_by(postgres.kill, is_committing, full_refresh=full_refresh)
    assert "catalog" in result.message
    assert not result.is_permanent
    error = refused(trino_pipeline.stand.lake, trino_pipeline.results)
    assert isinstance(error, TransientError)
    assert "catalog" in str(error)
    postgres.ensure_running()
    assert trino_pipeline.at() == before
    trino_pipeline.heal()


@pytest.mark.parametrize("full_refresh", [True, False])
def test_the_catalog_is_frozen_while_a_model_is_built(
    trino_pipeline: TrinoPipeline, postgres: Postgres, full_refresh: bool
) -> None:
    with trino_pipeline.held():
        try:
            result = trino_pipeline.failed_by(
                postgres.freeze, is_committing, full_refresh=full_refresh, seconds=FROZEN_CATALOG_SECONDS
            )
        finally:
            postgres.resume()
    assert "catalog" in result.message
    assert not result.is_permanent
    # the resumed server may execute the pending request late
    trino_pipeline.heal(late=True)


@pytest.mark.parametrize("full_refresh", [True, False])
def test_out_of_memory(trino_pipeline: TrinoPipeline, monkeypatch: pytest.MonkeyPatch, full_refresh: bool) -> None:
    before, connect = trino_pipeline.at(), trino.dbapi.connect

    def with_little(**arguments: Any) -> Any:
        return connect(**{**arguments, "session_properties": {"query_max_memory_per_node": "200kB"}})

    with monkeypatch.context() as patched:
        patched.setattr(trino.dbapi, "connect", with_little)
        result = trino_pipeline.told(trino_pipeline.results(full_refresh=full_refresh))
    assert "ran out of memory" in result.message
    assert result.is_permanent
    assert trino_pipeline.at() == before
    trino_pipeline.heal()


def build_until_a_note() -> None:
    """Build, and crash after the rows of an increment are committed and before their source positions are recorded."""

    def killed(_: Catalog, built: BuiltTable) -> None:
        if built.is_step:
            os.kill(os.getpid(), signal.SIGKILL)

    with patch.object(trino_run, "finish_table", killed):
        list(build(load_settings(), FEW))


def test_killed_between_an_increment_and_its_position(trino_pipeline: TrinoPipeline) -> None:
    before, noted = trino_pipeline.at(), trino_pipeline.read_to()
    assert attempt(build_until_a_note).killed
    assert trino_pipeline.at()[SILVER] != before[SILVER]
    assert trino_pipeline.read_to() == noted
    rows = content(trino_pipeline.settings, (SILVER,))
    # the next increment reads the same rows again, and changes none
    trino_pipeline.heal()
    assert content(trino_pipeline.settings, (SILVER,)) == rows
    assert trino_pipeline.read_to() != noted
