"""Trino and PyIceberg share a lake: both read and write the same tables, in a folder and in an object store."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pyarrow as pa
import pytest
import tenacity

from foss_platform.lake.connect.catalog import open_catalog
from foss_platform_tests.services.lakes import Kind
from foss_platform_tests.services.servers.minio import Minio
from foss_platform_tests.services.servers.postgres import Postgres
from foss_platform_tests.services.servers.process_tree import descendants, is_alive
from foss_platform_tests.services.servers.programs import ROOT
from foss_platform_tests.services.trino.dev import READY
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake, made_trino

# an access key identifies a client as a user name does, and Trino prints it with its settings
_PUBLIC = {"trino_ca.pem", "s3_access_key"}


@pytest.mark.parametrize("trino_kind", [Kind.POSTGRES_FOLDER, Kind.POSTGRES_MINIO])
def test_each_engine_reads_and_writes_the_others_tables(trino: TrinoOnLake) -> None:
    ask, catalog = trino.access.rows, open_catalog(trino.lake.settings)
    catalog.create_namespace("gold")
    rows = pa.table({"n": pa.array([1, 2], pa.int64())})
    catalog.create_table("gold.ours", rows.schema).append(rows)
    assert ask("insert into gold.ours values 3") == [[1]]
    assert ask("delete from gold.ours where n = 1") == [[1]]
    table = catalog.load_table("gold.ours")
    assert {row["n"] for row in table.scan().to_arrow().to_pylist()} == {2, 3}
    table.append(rows)
    assert ask("select sum(n) from gold.ours") == [[8]]
    # as the models write a table
    ask("create table gold.theirs with (extra_properties = map(array['foss.engine'], array['trino'])) as select 1 as n")
    theirs = catalog.load_table("gold.theirs")
    assert theirs.properties["foss.engine"] == "trino"
    assert theirs.location().startswith(trino.lake.warehouse)
    theirs.append(pa.table({"n": pa.array([5], pa.int32())}))
    assert ask("select sum(n) from gold.theirs") == [[6]]
    trino.run_on_postgres("create schema reference", "create table reference.sites as select 2 as n, 'P2' as name")
    joined = "select s.name, count(*) from gold.ours as o join reference.reference.sites as s using (n) group by 1"
    assert ask(joined) == [["P2", 2]]


@pytest.mark.parametrize("trino_kind", [Kind.POSTGRES_FOLDER, Kind.POSTGRES_MINIO])
def test_no_secret_in_output_or_arguments(trino: TrinoOnLake) -> None:
    server = trino.server
    files = [path for path in server.secrets.iterdir() if path.name not in _PUBLIC]
    secrets = {line for path in files for line in path.read_text().splitlines() if not line.startswith("-----")}
    assert len(secrets) > len(files)
    commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in (server.pid, *descendants(server.pid))]
    assert [secret for secret in secrets if secret in server.log.read_text() + "".join(commands)] == []
    assert {path.stat().st_mode & 0o077 for path in server.secrets.iterdir()} == {0}


def test_a_restart_of_postgres_fails_no_query(trino: TrinoOnLake, postgres: Postgres) -> None:
    trino.access.rows("create schema gold")
    trino.access.rows("create table gold.t as select 1 as n")
    postgres.restart()
    assert trino.access.rows("select n from gold.t") == [[1]]
    postgres.restart()
    assert trino.access.rows("insert into gold.t values 2") == [[1]]


def test_a_rest_catalog_serves_both(postgres: Postgres, minio: Minio, tmp_path: Path) -> None:
    with made_trino(Kind.REST_MINIO, tmp_path, postgres, minio) as made, pytest.MonkeyPatch.context() as patched:
        made.set_environment(patched)
        catalog = open_catalog(made.lake.settings)
        catalog.create_namespace("gold")
        rows = pa.table({"n": pa.array([1, 2], pa.int64())})
        catalog.create_table("gold.ours", rows.schema).append(rows)
        assert made.access.rows("insert into gold.ours values 3") == [[1]]
        assert made.access.rows("create or replace table gold.theirs as select sum(n) as n from gold.ours") == [[1]]
        assert catalog.load_table("gold.ours").scan().to_arrow().num_rows == 3
        assert catalog.load_table("gold.theirs").scan().to_arrow().to_pylist() == [{"n": 6}]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder for the files of a killed parent. Postgres' account could not enter pytest's own folder."""
    with tempfile.TemporaryDirectory(prefix="foss-test-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def test_all_servers_die_with_their_parent(open_folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "foss_platform_tests.services.trino.dev"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(open_folder)},
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        # until the ready line, or the end of the output
        lines = list(takewhile(lambda line: line.rstrip() != READY, starter.stdout))
        family = descendants(starter.pid)
        starter.kill()
    assert any(line.startswith("export FOSS_TRINO_CA_FILE") for line in lines), "the process ended by itself"
    assert len(family) > 1
    tenacity.Retrying(
        retry=tenacity.retry_if_result(bool), stop=tenacity.stop_after_delay(15), wait=tenacity.wait_fixed(0.05)
    )(lambda: [pid for pid in family if is_alive(pid)])
