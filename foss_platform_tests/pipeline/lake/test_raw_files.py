"""Raw files by path in `foss sql`, without an object store: each error is one line."""

from pathlib import Path

import pyarrow as pa
import pytest

from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.query.query import QueryError
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table
from foss_platform.lake.trino.query import ask_trino
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.cli.command_line import Foss, foss_in

# DuckDB detects types from the first 20,480 rows
MANY = 100_000


@pytest.fixture
def foss(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], settings: Settings) -> Foss:
    ensure_table(open_catalog(settings), TableSpec(TableName("gold", "t"), pa.schema([("n", pa.int64())])))
    return foss_in(settings.home, monkeypatch, capfd)


def test_row_of_another_type_far_down_gives_a_one_line_error(foss: Foss, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("n\n" + "".join(f"{n}\n" for n in range(MANY)) + "none\n")
    for asked in (f"select n from read_csv('{file}')", f"select sum(n) from read_csv('{file}')"):
        code, _, err = foss("sql", asked, "-f", "csv")
        assert (code, f"CSV Error on Line: {MANY + 2}" in err, len(err.strip().splitlines())) == (1, True, 1)


def test_missing_file_gives_a_one_line_error(foss: Foss, tmp_path: Path) -> None:
    code, _, err = foss("sql", f"select * from read_csv('{tmp_path / 'none.csv'}')")
    assert (code, "none.csv" in err, len(err.strip().splitlines())) == (1, True, 1)


@pytest.mark.parametrize("source", ["read_csv('x.csv')", "read_json_auto('s3://b/x.json')", "'s3://b/x.parquet'"])
def test_trino_says_that_it_reads_no_files(settings: Settings, source: str) -> None:
    with pytest.raises(QueryError, match="Trino reads no files"):
        ask_trino(settings, open_catalog(settings), f"select * from {source}")
