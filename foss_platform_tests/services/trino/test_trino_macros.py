"""Each dispatch macro gives the same answers, with the same types, on DuckDB and on Trino."""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest

from foss_platform.engine import Engine
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.query.query import ask
from foss_platform.lake.trino.query import ask_trino
from foss_platform.settings import Settings, load_settings
from foss_platform.transform.project.parsed import prepare_project
from foss_platform_tests.compiling import compiled
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake

INSTANT = "timestamp(6) with time zone"
LOCAL_TEXTS = (
    "25.10.2020 01:59", "25.10.2020 02:00", "25.10.2020 02:30", "25.10.2020 02:59", "25.10.2020 03:00",
    "29.03.2020 01:59", "29.03.2020 02:00", "29.03.2020 02:30", "29.03.2020 03:00", "29.02.2020 12:00",
    "29.02.2021 12:00", "31.04.2020 10:00", "5.1.2020 7:05", "05.01.2020 7:5", "05.01.2020 24:00", "05.01.2020 07:60",
    "05.01.2020 07:05:30", "05.01.20 07:05", "05-01-2020 07:05", "05.01.10000 07:05",
    "05.01.1850 07:05", "05.01.1900 07:05", "05.01.2199 07:05", "05.13.2020 07:05", " 05.01.2020 07:05",
    "05.01.2020 07:05 ", "05.01.2020  07:05", "", "x", None,
)  # fmt: skip
MOMENTS = (
    "2020-10-24 21:59:59.999999 UTC", "2020-10-24 22:00:00.000000 UTC", "2020-10-25 00:30:00.000001 UTC",
    "2020-10-25 01:30:00.123456 UTC", "2020-03-29 00:59:59.999999 UTC", "2020-03-29 01:00:00.000000 UTC",
    "1969-12-31 23:59:59.999999 UTC", "1970-01-01 00:00:00.000000 UTC", "2038-01-19 03:14:08.000001 UTC", None,
)  # fmt: skip
DAYS = ("2020-10-25", "2020-03-29", "2020-02-29", "1970-01-01", "2020-11-01", "2020-11-02", None)
NUMBERS = (
    "58.9", " 58.9", "58.9 ", "58,9", "5e1", "5E-3", "+1.5", "-0", "-0.0", ".5", "5.", "", ".", "1_000", "1d", "1f",
    "0x10", "inf", "Infinity", "NaN", "nan", "1e400", "1e-400", "0.1", "123456789.123456789", "١", None,
)  # fmt: skip
BLANKS = ("a", " a ", "\ta\n", "\r\na b\r\n", "\va\v", "\f a", "\u00a0a", "\u2003a", "", " ", "a\n", "\na", None)
COUNTS = (*NUMBERS, "12", "12,0", "12.00", "12\n", "1234567890")
FREE = (None, 7, 3, 3, 9, None, 1, 4, 8, 2, 2, 6)


@dataclass(frozen=True)
class Case:
    """A macro over one column `x`.

    Attributes
    ----------
    expression
        Jinja with the project's macros.
    grouped
        Whether it is an aggregate, which runs over the first n values for each n.
    """

    name: str
    expression: str
    values: tuple[Any, ...]
    type: str = "varchar"
    grouped: bool = field(default=False)


CASES = [
    Case("local_text_to_instant", "{{ foss_platform.local_text_to_instant('x', 'Europe/Oslo') }}", LOCAL_TEXTS),
    Case("on_clock_of", "{{ foss_platform.on_clock_of('x', 'Europe/Oslo') }}", MOMENTS, INSTANT),
    Case("start_of_local_day", "{{ foss_platform.start_of_local_day('x', 'Europe/Oslo') }}", DAYS, "date"),
    Case(
        "minutes_between",
        "{{ foss_platform.minutes_between(foss_platform.instant('2020-10-24 22:00:00.1 UTC'), 'x') }}",
        MOMENTS,
        INSTANT,
    ),
    Case("trimmed", "{{ foss_platform.trimmed('x') }}", BLANKS),
    Case("matches", "{{ foss_platform.matches('x', '^[0-9]{1,9}([.,]0+)?$') }}", COUNTS),
    Case("text_to_double", "{{ foss_platform.text_to_double('x') }}", NUMBERS),
    Case("percentile_10", "{{ foss_platform.exact_percentile('x', 10) }}", FREE, "integer", True),
    Case("percentile_50", "{{ foss_platform.exact_percentile('x', 50) }}", FREE, "integer", True),
    Case("percentile_90", "{{ foss_platform.exact_percentile('x', 90) }}", FREE, "integer", True),
    Case("iso_weekday", "{{ foss_platform.iso_weekday('x') }}", DAYS, "date"),
    Case("instant_text", "{{ foss_platform.instant_text('x') }}", MOMENTS, INSTANT),
    Case("hour", "date_trunc('hour', x)", MOMENTS, INSTANT),
    Case("average", "avg(x)", FREE, "integer", True),
]  # fmt: skip


@pytest.fixture
def settings(trino: TrinoOnLake) -> Settings:
    settings = load_settings()
    open_catalog(settings)
    for engine in Engine:
        prepare_project(settings.model_copy(update={"engine": engine}))
    return settings


def answers(settings: Settings, engine: Engine) -> dict[str, pa.Table]:
    """Return each case's answers on one engine, in the order of its values."""
    own = settings.model_copy(update={"engine": engine})
    # all cases in one text, because a compilation takes a second
    texts = compiled(own, "\n;;\n".join(f"select {case.expression} from x" for case in CASES)).split(";;")
    catalog, found = open_catalog(own), {}
    for case, text in zip(CASES, texts, strict=True):
        expression = text.strip().removeprefix("select ").removesuffix(" from x")
        type_ = case.type if engine is Engine.TRINO else case.type.replace("timestamp(6) with time zone", "timestamptz")
        rows = ", ".join(f"({place}, {literal(value)})" for place, value in enumerate(case.values))
        column = f"select n, cast(x as {type_}) as x from (values {rows}) as given (n, x)"
        query = f"select {expression} as answer from ({column}) as given order by n"
        if case.grouped:
            pairs = f"({column}) as last, ({column}) as given where given.n <= last.n"
            firsts = f"select last.n as upto, given.x from {pairs}"
            query = f"select {expression} as answer from ({firsts}) as firsts group by upto order by upto"
        answer = ask_trino(own, catalog, query) if engine is Engine.TRINO else ask(own, catalog, query)
        found[case.name] = answer.reader.read_all()
    return found


def literal(value: Any) -> str:
    if value is None or isinstance(value, int):
        return "null" if value is None else str(value)
    # a text that both engines accept unchanged, even with control characters
    return "'" + str(value).replace("'", "''") + "'"


def test_macros_agree(settings: Settings) -> None:
    ours, theirs = answers(settings, Engine.DUCKDB), answers(settings, Engine.TRINO)
    different = []
    for case in CASES:
        one, other = ours[case.name], theirs[case.name]
        assert one.num_rows == len(case.values)
        if str(one.schema.field(0).type).replace("large_", "") != str(other.schema.field(0).type):
            different.append(f"{case.name}: {one.schema.field(0).type} and {other.schema.field(0).type}")
        pairs = zip(case.values, one.column(0).to_pylist(), other.column(0).to_pylist(), strict=True)
        different += [f"{case.name}({x!r}): {a!r} and {b!r}" for x, a, b in pairs if repr(a) != repr(b)]
    assert different == [], "\n".join(different)
