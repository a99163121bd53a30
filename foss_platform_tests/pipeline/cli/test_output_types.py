"""Every type of DuckDB as a table, CSV, JSON and Parquet. See `services/trino/test_trino_types.py` for Trino's."""

import csv
import io
import json
from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from foss_platform.cli.shared.formats import Format, write_rows
from foss_platform.cli.shared.parquet_output import UnstorableError
from foss_platform.errors import ConfigurationError
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.query.duckdb_arrow import arrow_rows
from foss_platform.settings import load_settings
from foss_platform_tests.pipeline.cli.command_line import Foss
from foss_platform_tests.pipeline.cli.test_commands import foss as _foss

foss = _foss

HUGE = 170141183460469231731687303715884105727
SAME = object()
REFUSED = object()

#: A value in SQL, in CSV, in JSON, and in Parquet as DuckDB reads it, with its type.
VALUES: list[tuple[str, str, Any, Any, str]] = [
    ("true", "true", True, True, "BOOLEAN"),
    ("(-128)::tinyint", "-128", -128, -128, "TINYINT"),
    ("255::utinyint", "255", 255, 255, "UTINYINT"),
    ("65535::usmallint", "65535", 65535, 65535, "USMALLINT"),
    ("4294967295::uinteger", "4294967295", 4294967295, 4294967295, "UINTEGER"),
    ("9223372036854775807", "9223372036854775807", 2**63 - 1, 2**63 - 1, "BIGINT"),
    ("18446744073709551615::ubigint", "18446744073709551615", 2**64 - 1, 2**64 - 1, "UBIGINT"),
    ("sum(7)", "7", 7, Decimal(7), "DECIMAL(38,0)"),
    (f"{HUGE}::hugeint", str(HUGE), HUGE, REFUSED, ""),
    (f"{2**128 - 1}::uhugeint", str(2**128 - 1), 2**128 - 1, REFUSED, ""),
    ("123456789012345678901234567890::bignum", "123456789012345678901234567890", 123456789012345678901234567890,
     "123456789012345678901234567890", "VARCHAR"),
    ("'-300'::bignum", "-300", -300, "-300", "VARCHAR"),
    ("0.1::float", "0.1", 0.1, pytest.approx(0.1), "FLOAT"),
    ("1e300", "1e+300", 1e300, 1e300, "DOUBLE"),
    ("'infinity'::double", "inf", None, float("inf"), "DOUBLE"),
    ("'nan'::double", "nan", None, SAME, "DOUBLE"),
    ("1.50::decimal(38, 10)", "1.5000000000", 1.5, Decimal("1.5"), "DECIMAL(38,10)"),
    ("'å\"\n,x'", 'å"\n,x', 'å"\n,x', 'å"\n,x', "VARCHAR"),
    ("'\\xAA\\x00'::blob", "qgA=", "qgA=", b"\xaa\x00", "BLOB"),
    ("'0101'::bit", "0101", "0101", "0101", "VARCHAR"),
    ("'a'::enum('a', 'b')", "a", "a", "a", "VARCHAR"),
    ("'00000000-0000-0000-0000-00000000000a'::uuid", "00000000-0000-0000-0000-00000000000a",
     "00000000-0000-0000-0000-00000000000a", SAME, "UUID"),
    ("'{\"a\": [1e2, 12345678901234567890]}'::json", '{"a": [1e2, 12345678901234567890]}',
     {"a": [100.0, 12345678901234567890]}, '{"a": [1e2, 12345678901234567890]}', "JSON"),
    ("date '9999-12-31'", "9999-12-31", "9999-12-31", SAME, "DATE"),
    ("date '12345-01-02'", "+12345-01-02", "+12345-01-02", SAME, "DATE"),
    ("date '0044-03-15 (BC)'", "-0043-03-15", "-0043-03-15", SAME, "DATE"),
    ("'infinity'::date", "infinity", "infinity", REFUSED, ""),
    ("time '12:34:56.5'", "12:34:56.500000", "12:34:56.500000", SAME, "TIME"),
    ("'24:00:00'::time", "24:00:00", "24:00:00", SAME, "TIME"),
    ("'12:34:56.123456789'::time_ns", "12:34:56.123456789", "12:34:56.123456789", time(12, 34, 56, 123456), "TIME"),
    ("'12:34:56.5-05:30'::timetz", "12:34:56.500000-05:30", "12:34:56.500000-05:30", "12:34:56.500000-05:30",
     "VARCHAR"),
    ("timestamp_s '2020-01-02 03:04:05'", "2020-01-02T03:04:05", "2020-01-02T03:04:05", SAME, "TIMESTAMP"),
    ("'2020-01-02 03:04:05.678'::timestamp_ms", "2020-01-02T03:04:05.678000", "2020-01-02T03:04:05.678000",
     SAME, "TIMESTAMP"),
    ("timestamp '290000-01-02 03:04:05'", "+290000-01-02T03:04:05", "+290000-01-02T03:04:05", SAME, "TIMESTAMP"),
    ("timestamp '0044-03-15 (BC) 01:02:03'", "-0043-03-15T01:02:03", "-0043-03-15T01:02:03", SAME, "TIMESTAMP"),
    ("'2020-01-02 03:04:05.123456789'::timestamp_ns", "2020-01-02T03:04:05.123456789",
     "2020-01-02T03:04:05.123456789", SAME, "TIMESTAMP_NS"),
    ("timestamptz '2020-01-02 03:04:05+02'", "2020-01-02T01:04:05+00:00", "2020-01-02T01:04:05+00:00",
     SAME, "TIMESTAMP WITH TIME ZONE"),
    ("'-infinity'::timestamptz", "-infinity", "-infinity", REFUSED, ""),
    ("interval '14 months -3 days 4 hours 0.5 seconds'", "P1Y2M-3DT4H0.5S", "P1Y2M-3DT4H0.5S", "P1Y2M-3DT4H0.5S",
     "VARCHAR"),
    ("interval '0 days'", "PT0S", "PT0S", "PT0S", "VARCHAR"),
    ("[1, null]", "[1, null]", [1, None], SAME, "INTEGER[]"),
    ("[date '12345-01-01', 'infinity'::date]", '["+12345-01-01", "infinity"]', ["+12345-01-01",
     "infinity"], REFUSED, ""),
    ("[1, 2]::int[2]", "[1, 2]", [1, 2], [1, 2], "INTEGER[]"),
    ("{'a': 1, 'b c': [{'d': '\\x01'::blob}]}",
     '{"a": 1, "b c": [{"d": "AQ=="}]}', {"a": 1, "b c": [{"d": "AQ=="}]}, SAME,
     'STRUCT(a INTEGER, "b c" STRUCT(d BLOB)[])'),
    ("row(1, 'x')", '{"field0": 1, "field1": "x"}', {"field0": 1, "field1": "x"}, {"field0": 1, "field1": "x"},
     "STRUCT(field0 INTEGER, field1 VARCHAR)"),
    ("map {date '2020-01-01': interval '1 day'}",
     '{"2020-01-01": "P1D"}', {"2020-01-01": "P1D"}, SAME, "MAP(DATE, VARCHAR)"),
    ("union_value(k := 1)::union(k int, s varchar)", "1", 1, {"k": 1, "s": None}, "STRUCT(k INTEGER, s VARCHAR)"),
    ("union_value(s := 'x')::union(k int, s varchar)", '"x"', "x",
     {"k": None, "s": "x"}, "STRUCT(k INTEGER, s VARCHAR)"),
    ("[{'v': {'a': 1}::variant, 'h': 5::hugeint, 't': true}]", '[{"v": {"a":1}, "h": 5, "t": true}]',
     [{"v": {"a": 1}, "h": 5, "t": True}], SAME, "STRUCT(v JSON, h DECIMAL(38,0), t BOOLEAN)[]"),
    ("{'a': 1}::variant", '{"a":1}', {"a": 1}, '{"a":1}', "JSON"),
    ("'POINT (1 2)'::geometry", "POINT (1 2)", "POINT (1 2)", "POINT (1 2)", "VARCHAR"),
    ("get_type(1)", "INTEGER", "INTEGER", "INTEGER", "VARCHAR"),
    ("null", "", None, None, "INTEGER"),
]  # fmt: skip


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    opened = duckdb.connect()
    opened.execute("set TimeZone = 'UTC'")
    return opened


def _written(connection: duckdb.DuckDBPyConnection, query: str, format_: Format, folder: Path) -> Path:
    target = folder / f"rows.{format_}"
    write_rows(arrow_rows(connection, query, 65_536, exact=True), format_, target)
    return target


@pytest.mark.parametrize(("value", "cell", "in_json", "stored", "type_"), VALUES, ids=[case[0] for case in VALUES])
def test_each_value_is_written_in_every_format(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, value: str, cell: str, in_json: Any, stored: Any, type_: str
) -> None:
    # with a null of the same type
    query = f"select v from (select {value} as v, 1 as n union all select null, 2) order by n"
    if value.startswith("get_type"):
        # DuckDB has no null of this type
        query = f"select {value} as v"
    rows = list(csv.reader(io.StringIO(_written(connection, query, Format.CSV, tmp_path).read_text(), newline="")))
    assert rows[:2] == [["v"], [cell] if cell else []]
    shown = json.loads(_written(connection, query, Format.JSON, tmp_path).read_text())
    assert shown[0] == {"v": in_json}
    assert shown[1:] in ([], [{"v": None}])
    if stored is REFUSED:
        with pytest.raises(UnstorableError, match="Column v cannot be written as Parquet"):
            _written(connection, query, Format.PARQUET, tmp_path)
        assert not list(tmp_path.glob("*rows.parquet*"))
        return
    target = _written(connection, query, Format.PARQUET, tmp_path)
    pq.read_table(target)
    (described,) = connection.execute(f"describe select v from '{target}'").fetchall()
    assert described[1] == type_
    if stored is SAME:
        columns = f"v::{type_}::varchar" if "interval" not in value and "variant" not in value else "true"
        there = f"select {columns} from '{target}' limit 1"
        asked = f"select {columns} from ({query}) limit 1"
        assert connection.execute(there).fetchall() == connection.execute(asked).fetchall()
    else:
        assert connection.execute(f"select v from '{target}' limit 1").fetchall() == [(stored,)]


def test_all_types_of_this_duckdb(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    columns = [row[0] for row in connection.execute("describe from test_all_types()").fetchall()]
    shown = json.loads(_written(connection, "from test_all_types()", Format.JSON, tmp_path).read_text())
    assert [list(row) for row in shown] == [columns] * 3
    rows = list(
        csv.reader(io.StringIO(_written(connection, "from test_all_types()", Format.CSV, tmp_path).read_text()))
    )
    assert [len(row) for row in rows] == [len(columns)] * 4
    refused = set()
    for column in columns:
        try:
            target = _written(connection, f'select "{column}" from test_all_types()', Format.PARQUET, tmp_path)
        except UnstorableError as error:
            assert f"Column {column} " in str(error)
            refused.add(column)
        else:
            assert pq.read_metadata(target).num_rows == 3
    assert refused == {"hugeint", "uhugeint", "date_array", "timestamp_array", "timestamptz_array"}


def test_empty_results_and_repeated_column_names(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    none = "select 1 as a, [1] as b where false"
    assert _written(connection, none, Format.CSV, tmp_path).read_text() == '"a","b"\n'
    assert _written(connection, none, Format.JSON, tmp_path).read_text() == "[]\n"
    assert pq.read_table(_written(connection, none, Format.PARQUET, tmp_path)).num_rows == 0
    twice = "select 1 as a, {'x': 1}::variant as a -- the end"
    assert _written(connection, twice, Format.CSV, tmp_path).read_text() == '"a","a"\n1,"{""x"":1}"\n'
    for format_ in (Format.JSON, Format.PARQUET):
        before = sorted(path.name for path in tmp_path.iterdir())
        with pytest.raises(ConfigurationError, match="several columns with the same name: a"):
            write_rows(arrow_rows(connection, twice, 10, exact=True), format_, tmp_path / "new")
        assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_an_interval_that_arrow_cannot_count_is_refused(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    with pytest.raises((OSError, duckdb.Error), match="column v holds an interval"):
        _written(connection, "select interval '3000000 hours' as v", Format.CSV, tmp_path)
    assert not list(tmp_path.iterdir())


def test_casts_keep_the_row_order(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    query = "select i, i::variant as v from range(200000) t(i) order by hash(i)"
    shown = json.loads(_written(connection, query, Format.JSON, tmp_path).read_text())
    assert [row["i"] for row in shown] == [
        i for (i,) in connection.execute("select i from range(200000) t(i) order by hash(i)").fetchall()
    ]


def test_command_writes_complete_files_or_no_file(foss: Foss, tmp_path: Path) -> None:
    open_catalog(load_settings())
    target = tmp_path / "kept.csv"
    target.write_text("before")
    late = "select case when i = 150000 then error('late') else i end as v from range(200000) t(i)"
    for format_ in ("csv", "json", "parquet"):
        code, _, err = foss("sql", late, "-f", format_, "-o", str(target))
        assert (code, "late" in err) == (1, True)
        assert target.read_text() == "before"
        assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["kept.csv"]
    code, out, err = foss("sql", f"select {HUGE}::hugeint as v", "-f", "parquet")
    assert (code, out) == (1, "")
    assert "Column v cannot be written as Parquet" in err
    code, out, _ = foss("sql", "select date '12345-01-01' as d, [1] as l, interval '1 day' as i, 'x'::blob as b")
    assert code == 0
    assert all(word in out for word in ("+12345-01-01", "[1]", "P1D", "eA=="))
