"""Trino fails while it builds: one clear error in time, the tables as they were or whole, and the next run heals it.

A worker that is lost is in `test_trino_cluster`.
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
from foss_platform.errors import PassingError
from foss_platform.settings import load_settings
from foss_platform.transform.runner import build
from foss_platform.transform.trino import run as trino_run
from foss_platform.transform.trino.built_table import BuiltTable
from foss_platform_tests.faults.injection.trial import attempt
from foss_platform_tests.pipeline.transform.test_law import SILVER
from foss_platform_tests.services.lake.polling import refused
from foss_platform_tests.services.servers.postgres import Postgres
from foss_platform_tests.services.servers.process import Server
from foss_platform_tests.services.trino.building import FEW, Standing, is_committing, is_running
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake
from foss_platform_tests.tables import content

#: Trino's driver waits for 15 s, and Iceberg asks again whether its commit came in.
FROZEN_CATALOG_SECONDS = 120.0


def set_environment(stand: TrinoOnLake, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.set_environment(monkeypatch)
    monkeypatch.setenv("FOSS_ENGINE", Engine.TRINO.value)


@pytest.fixture(scope="module")
def built(trino_on_folder: TrinoOnLake) -> Iterator[Standing]:
    """The first build takes longest, so it is made once; each test leaves a lake that is healed."""
    trino_on_folder.renew()
    with pytest.MonkeyPatch.context() as patched:
        set_environment(trino_on_folder, patched)
        standing = Standing(trino_on_folder)
    yield standing
    trino_on_folder.server.revive()


@pytest.fixture
def standing(built: Standing, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Standing]:
    set_environment(built.stand, monkeypatch)
    built.more()
    yield built
    postgres.revive()
    built.stand.server.revive()


@pytest.mark.parametrize(
    ("away", "is_there", "full_refresh"),
    [
        (Server.kill, is_running, True),
        (Server.kill, is_committing, False),
        (Server.freeze, is_running, False),
        (Server.freeze, is_committing, True),
    ],
)
def test_away_in_mid_model(
    standing: Standing,
    away: Callable[[Server], None],
    is_there: Callable[[Standing, str], bool],
    full_refresh: bool,
) -> None:
    before = standing.at()
    with standing.held():
        result = standing.failed_by(partial(away, standing.stand.server), is_there, full_refresh=full_refresh)
        assert "does not answer" in result.message
        assert not result.is_lasting
        assert standing.at() == before
    # Postgres may do now what a Trino asked for that is gone: then the table is whole
    standing.stand.server.revive()
    standing.heal(late=True)


@pytest.mark.parametrize("away", [Server.kill, Server.freeze])
def test_away_from_the_start(standing: Standing, away: Callable[[Server], None]) -> None:
    before = standing.at()
    away(standing.stand.server)
    error = refused(standing.stand.lake, standing.results)
    assert isinstance(error, PassingError)
    assert "Trino" in str(error)
    assert standing.at() == before
    standing.stand.server.revive()
    standing.heal()


@pytest.mark.parametrize("full_refresh", [True, False])
def test_the_catalog_away_in_mid_model(standing: Standing, postgres: Postgres, full_refresh: bool) -> None:
    before = standing.at()
    with standing.held():
        result = standing.failed_by(postgres.kill, is_committing, full_refresh=full_refresh)
    assert "catalog" in result.message
    assert not result.is_lasting
    error = refused(standing.stand.lake, standing.results)
    assert isinstance(error, PassingError)
    assert "catalog" in str(error)
    postgres.revive()
    assert standing.at() == before
    standing.heal()


@pytest.mark.parametrize("full_refresh", [True, False])
def test_the_catalog_frozen_in_mid_model(standing: Standing, postgres: Postgres, full_refresh: bool) -> None:
    with standing.held():
        try:
            result = standing.failed_by(
                postgres.freeze, is_committing, full_refresh=full_refresh, seconds=FROZEN_CATALOG_SECONDS
            )
        finally:
            postgres.thaw()
    assert "catalog" in result.message
    assert not result.is_lasting
    # the thawed one may do late what it was asked
    standing.heal(late=True)


@pytest.mark.parametrize("full_refresh", [True, False])
def test_out_of_memory(standing: Standing, monkeypatch: pytest.MonkeyPatch, full_refresh: bool) -> None:
    before, connect = standing.at(), trino.dbapi.connect

    def with_little(**arguments: Any) -> Any:
        return connect(**{**arguments, "session_properties": {"query_max_memory_per_node": "200kB"}})

    with monkeypatch.context() as patched:
        patched.setattr(trino.dbapi, "connect", with_little)
        result = standing.told(standing.results(full_refresh=full_refresh))
    assert "ran out of memory" in result.message
    assert result.is_lasting
    assert standing.at() == before
    standing.heal()


def build_until_a_note() -> None:
    """Build, and end as a crash does when a step's rows are in and what they were made from is about to be noted."""

    def killed(_: Catalog, built: BuiltTable) -> None:
        if built.is_step:
            os.kill(os.getpid(), signal.SIGKILL)

    with patch.object(trino_run, "finish_table", killed):
        list(build(load_settings(), FEW))


def test_killed_between_a_step_and_the_note_of_what_it_has_read(standing: Standing) -> None:
    before, noted = standing.at(), standing.read_to()
    assert attempt(build_until_a_note).killed
    assert standing.at()[SILVER] != before[SILVER]
    assert standing.read_to() == noted
    rows = content(standing.settings, (SILVER,))
    # the next step reads the same rows again, and changes none
    standing.heal()
    assert content(standing.settings, (SILVER,)) == rows
    assert standing.read_to() != noted
