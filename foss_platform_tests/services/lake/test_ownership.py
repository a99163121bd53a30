"""A catalog's dump restored over the same warehouse: two databases, one bucket or folder, and only one may write."""

import subprocess
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from foss_platform.errors import ConfigurationError
from foss_platform.lake.adopt.adopt import adopt, plan_adoption
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.maintenance.maintain import maintain
from foss_platform.lake.ownership.mark import ForeignLakeError
from foss_platform.lake.ownership.owner import ownership_of
from foss_platform.lake.ownership.require_own import require_own
from foss_platform.lake.table.tables import list_tables, load_table
from foss_platform_tests.pipeline.ownership.copies import THINGS, add, fill, ids
from foss_platform_tests.services.lakes import Kind, Lake, named_by, set_environment
from foss_platform_tests.services.servers.minio import Minio
from foss_platform_tests.services.servers.postgres import Postgres
from foss_platform_tests.services.servers.rest_catalog import RestCatalog

_SECONDS = 60.0

KINDS = [Kind.POSTGRES_FOLDER, Kind.POSTGRES_MINIO, Kind.REST_MINIO]
pytestmark = pytest.mark.parametrize("kind", KINDS, indirect=True)


def database_of(lake: Lake) -> str:
    """The database that holds the catalog, also a REST catalog's."""
    if isinstance(lake.catalog_server, RestCatalog):
        return lake.warehouse.split("/")[2]
    return lake.environment["PYICEBERG_CATALOG__LAKE__URI"].rpartition("/")[2].partition("?")[0]


def restored(lake: Lake, postgres: Postgres, name: str, dump: Path) -> str:
    """Another database of the same content; its address."""
    address = postgres.make_database(name)
    common = ["--host=127.0.0.1", f"--port={postgres.port}", "--username=lake"]
    for program, *arguments in (
        ("pg_dump", "--format=custom", f"--file={dump}", database_of(lake)),
        ("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={name}", str(dump)),
    ):
        command = [str(postgres.programs / program), *common, *arguments]
        subprocess.run(command, env={"PGPASSWORD": postgres.lake_password}, check=True, timeout=_SECONDS)
    return address


@pytest.fixture
def copy(lake: Lake, postgres: Postgres, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The lake, filled, and the environment of a second catalog over its files."""
    fill(lake.settings, 6)
    name = f"t{uuid.uuid4().hex[:16]}"
    with ExitStack() as stack:
        stack.callback(postgres.drop_database, name)
        address = restored(lake, postgres, name, tmp_path / "dump")
        if isinstance(lake.catalog_server, RestCatalog):
            minio: Minio = request.getfixturevalue("minio")
            second = RestCatalog(name, postgres, minio, lake.warehouse)
            stack.callback(second.close)
            second.start()
            address = second.uri
        yield lake.environment | named_by({"uri": address})


def rows(catalog: Catalog) -> list[int]:
    return ids(load_table(catalog, THINGS).scan().to_arrow())


def clean_up(catalog: Catalog) -> None:
    for name in list_tables(catalog):
        for _ in range(2):
            maintain(catalog, name, datetime.now(UTC) + timedelta(days=3), trigger="command", older_than=timedelta())


def test_the_second_can_only_read_until_it_has_files_of_its_own(
    lake: Lake, copy: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_catalog(lake.settings)
    set_environment(monkeypatch, copy)
    second = open_catalog(lake.settings)
    wanted = rows(first)
    assert rows(second) == wanted
    writes: list[Callable[[], None]] = [lambda: add(second, 50), lambda: clean_up(second)]
    for act in writes:
        with pytest.raises(ForeignLakeError, match="foss adopt"):
            act()
    with pytest.raises(ConfigurationError, match="still there"):
        plan_adoption(second)
    add(first, 60)
    assert rows(first) == [*wanted, 60]

    own = copy | named_by({"warehouse": f"{lake.warehouse}-second"})
    set_environment(monkeypatch, own)
    second = open_catalog(lake.settings)
    adopt(second, plan_adoption(second))
    assert rows(second) == wanted
    assert load_table(second, THINGS).location().startswith(f"{lake.warehouse}-second/")
    assert ownership_of(open_catalog(lake.settings)).is_own
    add(second, 70)
    for catalog in (first, second):
        clean_up(catalog)
    assert (rows(first), rows(second)) == ([*wanted, 60], [*wanted, 70])


def test_when_the_first_is_gone_the_second_takes_over(
    lake: Lake, copy: dict[str, str], postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = rows(open_catalog(lake.settings))
    if isinstance(lake.catalog_server, RestCatalog):
        lake.catalog_server.stop()
    else:
        postgres.drop_database(database_of(lake))
    set_environment(monkeypatch, copy)
    catalog = open_catalog(lake.settings)
    assert ownership_of(catalog).is_gone
    plan = plan_adoption(catalog)
    assert plan.takes_over
    adopt(catalog, plan)
    add(open_catalog(lake.settings), 80)
    clean_up(open_catalog(lake.settings))
    assert rows(open_catalog(lake.settings)) == [*wanted, 80]


def test_a_role_that_may_do_nothing_else_reads_the_identity(lake: Lake, copy: dict[str, str]) -> None:
    catalog = open_catalog(lake.settings)
    require_own(catalog)
    found = ownership_of(catalog)
    assert (found.is_own, found.is_marked) == (True, True)
    assert found.identity is not None
    assert not any(secret in f"{found.identity!r}" for secret in lake.secrets)


def test_of_two_that_mark_a_warehouse_at_once_one_succeeds(lake: Lake, copy: dict[str, str]) -> None:
    place = ownership_of(open_catalog(lake.settings)).warehouse
    assert place is not None
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: place.create("foss-test.json", str(number).encode()), range(8)))
    assert made.count(True) == 1
    assert place.read("foss-test.json") == str(made.index(True)).encode()
