"""Every type of Trino as a table, CSV, JSON and Parquet. See `pipeline/cli/test_output_types.py` for DuckDB's."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from foss_platform.settings import load_settings
from foss_platform_tests.pipeline.cli.command_line import Foss, foss_in
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake

#: A value in SQL, its cell in CSV, the same in JSON, and its type in Parquet as DuckDB reads it; None: any.
VALUES: list[tuple[str, str | None, Any, str | None]] = [
    ("true", "true", True, "BOOLEAN"),
    ("tinyint '-128'", "-128", -128, "TINYINT"),
    ("smallint '-32768'", "-32768", -32768, "SMALLINT"),
    ("2147483647", "2147483647", 2147483647, "INTEGER"),
    ("9223372036854775807", "9223372036854775807", 2**63 - 1, "BIGINT"),
    ("real '0.1'", "0.1", 0.1, "FLOAT"),
    ("1e300", "1e+300", 1e300, "DOUBLE"),
    ("nan()", "nan", None, "DOUBLE"),
    ("-infinity()", "-inf", None, "DOUBLE"),
    ("decimal '12345678901234567890123456789012345.678'", "12345678901234567890123456789012345.678",
     12345678901234567890123456789012345.678, "DECIMAL(38,3)"),
    ("'å\"\n,x'", 'å"\n,x', 'å"\n,x', "VARCHAR"),
    ("char 'ab '", "ab ", "ab ", "VARCHAR"),
    ("X'AA00'", "qgA=", "qgA=", "BLOB"),
    ("json '{\"a\": [1]}'", '{"a":[1]}', {"a": [1]}, "JSON"),
    ("uuid '00000000-0000-0000-0000-00000000000a'", "00000000-0000-0000-0000-00000000000a",
     "00000000-0000-0000-0000-00000000000a", "UUID"),
    ("ipaddress '10.0.0.1'", "10.0.0.1", "10.0.0.1", "VARCHAR"),
    ("date '9999-12-31'", "9999-12-31", "9999-12-31", "DATE"),
    ("date '2020-01-01' + interval '10000' year", "+12020-01-01", "+12020-01-01", "DATE"),
    ("date '2020-01-01' - interval '2063' year", "-0043-01-01", "-0043-01-01", "DATE"),
    ("time '12:34:56'", "12:34:56", "12:34:56", "TIME"),
    ("time '12:34:56.123456'", "12:34:56.123456", "12:34:56.123456", "TIME"),
    ("time '12:34:56.123456789'", "12:34:56.123456789", "12:34:56.123456789", "TIME"),
    ("time '12:34:56.123456789012'", "12:34:56.123456789012", "12:34:56.123456789012", "VARCHAR"),
    ("time '12:34:56.5 -05:30'", "12:34:56.5-05:30", "12:34:56.5-05:30", "VARCHAR"),
    ("timestamp '2020-01-02 03:04:05.678'", "2020-01-02T03:04:05.678000", "2020-01-02T03:04:05.678000", "TIMESTAMP"),
    ("timestamp '2020-01-02 03:04:05.123456789'", "2020-01-02T03:04:05.123456789", "2020-01-02T03:04:05.123456789",
     "TIMESTAMP_NS"),
    ("timestamp '2020-01-02 03:04:05.123456789012'", "2020-01-02T03:04:05.123456789012",
     "2020-01-02T03:04:05.123456789012", "VARCHAR"),
    ("timestamp '2020-01-02 03:04:05' + interval '10000' year", "+12020-01-02T03:04:05", "+12020-01-02T03:04:05",
     "TIMESTAMP"),
    ("timestamp '2020-01-02 03:04:05' - interval '2063' year", "-0043-01-02T03:04:05", "-0043-01-02T03:04:05",
     "TIMESTAMP"),
    ("timestamp '2020-07-02 03:04:05.5 Europe/Oslo'", "2020-07-02T01:04:05.500000+00:00",
     "2020-07-02T01:04:05.500000+00:00", "TIMESTAMP WITH TIME ZONE"),
    ("timestamp '2020-07-02 03:04:05 Europe/Oslo' + interval '10000' year", "+12020-07-02T01:04:05+00:00",
     "+12020-07-02T01:04:05+00:00", "TIMESTAMP WITH TIME ZONE"),
    ("timestamp '2020-07-02 03:04:05.123456789012 -05:30'", "2020-07-02T08:34:05.123456789012+00:00",
     "2020-07-02T08:34:05.123456789012+00:00", "VARCHAR"),
    ("interval '14' month", "P1Y2M", "P1Y2M", "VARCHAR"),
    ("interval '-3' day + interval '-5' second", "P-3DT-5S", "P-3DT-5S", "VARCHAR"),
    ("interval '26' hour", "P1DT2H", "P1DT2H", "VARCHAR"),
    ("interval '0' day", "PT0S", "PT0S", "VARCHAR"),
    ("array[1, null]", "[1, null]", [1, None], "INTEGER[]"),
    ("array[]", "[]", [], "INTEGER[]"),
    ("array[array[X'01']]", '[["AQ=="]]', [["AQ=="]], "BLOB[][]"),
    ("array[timestamp '2026-11-23 08:00:00 Europe/Oslo']", '["2026-11-23T07:00:00+00:00"]',
     ["2026-11-23T07:00:00+00:00"], "TIMESTAMP WITH TIME ZONE[]"),
    ("map(array[date '2026-11-23'], array[interval '1' day])", '{"2026-11-23": "P1D"}', {"2026-11-23": "P1D"},
     "MAP(DATE, VARCHAR)"),
    ("map(array[1], array[null])", '{"1": null}', {"1": None}, "MAP(INTEGER, INTEGER)"),
    ("map(array[row(1)], array[2])", None, None, None),
    ("row(1, 'x')", '{"field0": 1, "field1": "x"}', {"field0": 1, "field1": "x"},
     "STRUCT(field0 INTEGER, field1 VARCHAR)"),
    ("""cast(row(1, row(date '2020-01-01')) as row("a ""b)," integer, date row(date date)))""",
     '{"a \\"b),": 1, "date": {"date": "2020-01-01"}}', {'a "b),': 1, "date": {"date": "2020-01-01"}}, None),
    ("approx_set(1)", None, None, "BLOB"),
    ("qdigest_agg(bigint '1')", None, None, "BLOB"),
    ("tdigest_agg(1.0)", None, None, "BLOB"),
    ("ST_Point(1, 2)", "POINT (1 2)", "POINT (1 2)", "VARCHAR"),
    ("to_spherical_geography(ST_Point(1, 2))", "POINT (1 2)", "POINT (1 2)", "VARCHAR"),
    ("bing_tile(1, 1, 3)", None, None, "VARCHAR"),
    ("color('red')", None, None, "VARCHAR"),
    ("null", "", None, "INTEGER"),
]  # fmt: skip


@pytest.fixture
def foss(trino: TrinoOnLake, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Foss:
    return foss_in(load_settings().home, monkeypatch, capfd)


def test_values_leave_in_every_format(foss: Foss, tmp_path: Path) -> None:
    wrong: list[tuple[object, ...]] = []
    for value, cell, in_json, type_ in VALUES:
        query = f"select {value} as v"
        code, out, err = foss("sql", "--engine", "trino", "--format", "csv", query)
        rows = list(csv.reader(io.StringIO(out, newline="")))
        if code or (cell is not None and rows[:2] != [["v"], [cell] if cell else []]):
            wrong.append((value, "csv", rows, err))
        code, out, err = foss("sql", "--engine", "trino", "--format", "json", query)
        if code or (cell is not None and json.loads(out) != [{"v": in_json}]):
            wrong.append((value, "json", out, err))
        target = tmp_path / "rows.parquet"
        code, out, err = foss("sql", "--engine", "trino", "--format", "parquet", "--output", str(target), query)
        if code:
            wrong.append((value, "parquet", out, err))
            continue
        pq.read_table(target)
        ((_, described, *_),) = duckdb.execute(f"describe from '{target}'").fetchall()
        if type_ is not None and described != type_:
            wrong.append((value, "parquet", described, ""))
        code, out, err = foss("sql", "--engine", "trino", query)
        if code or (cell and "\n" not in cell and cell.replace("T", " ") not in out.replace("T", " ")):
            wrong.append((value, "table", out, err))
    assert not wrong, "\n".join(map(str, wrong))


def test_a_value_that_arrow_cannot_hold_is_one_line(foss: Foss, tmp_path: Path) -> None:
    query = "select timestamp '2020-01-02 03:04:05.123456789' + interval '1000' year as v"
    target = tmp_path / "rows.csv"
    code, out, err = foss("sql", "--engine", "trino", "--format", "csv", "-o", str(target), query)
    assert (code, out) == (1, "")
    assert "Column v of type timestamp(9)" in err
    assert not list(tmp_path.glob("*rows.csv*"))
