"""The queries of docs/ANALYTICS.md give exactly the same rows in the same order on both engines."""

import subprocess
from datetime import datetime

import pytest
from sqlalchemy.engine import make_url

from foss_platform.cli.shared.pages import find_feed
from foss_platform.cli.shared.recorded import ingest
from foss_platform.engine import Engine
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.query.query import ask
from foss_platform.lake.trino.query import ask_trino
from foss_platform.settings import Settings
from foss_platform.transform.project.parsed import prepare_project
from foss_platform.transform.runner import build
from foss_platform_tests.analytics.analysis import compiled
from foss_platform_tests.analytics.month import make_month
from foss_platform_tests.analytics.questions import QUESTIONS, query
from foss_platform_tests.conftest import REAL_RECORDING
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import EXCERPT, NODES
from foss_platform_tests.repository import PROJECT_ROOT
from foss_platform_tests.services.servers.programs import postgres_programs
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake

SCRIPT = "docker/postgres/reference.sql"


def load_reference(trino: TrinoOnLake) -> None:
    """Load the reference tables with the command in the script's first lines."""
    address = make_url(trino.lake.environment["PYICEBERG_CATALOG__LAKE__URI"])
    where = f"host={address.host} port={address.port} dbname={address.database} user={address.username}"
    subprocess.run(
        [str(postgres_programs() / "psql"), "--no-psqlrc", "--quiet", "--dbname", where, "--file", SCRIPT],
        cwd=PROJECT_ROOT,
        env={"PGPASSWORD": str(address.password)},
        stdin=subprocess.DEVNULL,
        check=True,
    )


def compare(settings: Settings, text: str, at: datetime | None = None) -> None:
    catalog = open_catalog(settings)
    duckdb, trino = (each(settings, catalog, text, at).reader.read_all() for each in (ask, ask_trino))
    assert trino.to_pylist() == duckdb.to_pylist()
    assert trino.schema == duckdb.schema


def take_in_excerpt(settings: Settings) -> None:
    prepare_project(settings)
    ingest(settings, find_feed("stavanger_parking"), EXCERPT)
    assert [result for result in build(settings, NODES) if result.status.is_failure] == []


def test_both_engines_give_the_same_answers(trino: TrinoOnLake) -> None:
    settings = trino.lake.settings
    take_in_excerpt(settings)
    # twice, because an operator runs the script again after a change of the files
    for _ in range(2):
        load_reference(trino)
    for question in QUESTIONS:
        compare(settings, query(question))
    table = "select * from reference.reference.parking_sites order by site"
    compare(settings, table)
    assert len(trino.access.rows(table, "analyst")) == 9
    # the analysis is compiled for each engine, with the same table names
    texts = {engine: compiled(settings.model_copy(update={"engine": engine})) for engine in Engine}
    catalog = open_catalog(settings)
    missing = [
        ask(settings, catalog, texts[Engine.DUCKDB]).reader.read_all().to_pylist(),
        ask_trino(settings, catalog, texts[Engine.TRINO]).reader.read_all().to_pylist(),
    ]
    assert missing == [[], []]


@pytest.mark.skipif(not REAL_RECORDING.exists(), reason="the real month is not available (../shared/data)")
def test_both_engines_give_the_same_answers_on_the_real_month(trino: TrinoOnLake) -> None:
    month = make_month(trino.lake.settings, REAL_RECORDING)
    load_reference(trino)
    for question in QUESTIONS:
        compare(month.settings, query(question))
        compare(month.settings, query(question), month.after_first_go)
