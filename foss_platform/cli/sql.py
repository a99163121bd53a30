"""`foss sql`: a query over the lake, printed or exported. Not here: how it is answered (`lake.query`)."""

import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from foss_platform.cli.terminal import messages, output, table_of
from foss_platform.errors import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN_ROWS = 200


class Format(StrEnum):
    """How the rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def sql(
    query: Annotated[str, typer.Argument(metavar="QUERY")],
    format_: Annotated[Format, typer.Option("--format", "-f", help="How the rows are written.")] = Format.TABLE,
    at: Annotated[
        str | None, typer.Option("--at", help="Read the tables as they stood: an ISO time, or '2 hours ago'.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file instead.")] = None,
) -> None:
    """Ask the lake, e.g. foss sql "select * from gold.parking_latest"."""
    from foss_platform.lake.catalog import open_catalog
    from foss_platform.lake.query import ask, parse_moment
    from foss_platform.settings import load_settings

    settings = load_settings()
    moment = parse_moment(at, datetime.now(UTC)) if at is not None else None
    answer = ask(settings, open_catalog(settings, create=False), query, moment)
    for name, point in answer.points.items():
        messages().print(f"{name} as committed at {point.committed_at.isoformat()}", soft_wrap=True)
    if format_ is Format.TABLE and out is None:
        _print_table(answer.reader)
        return
    if format_ is Format.PARQUET and out is None and sys.stdout.isatty():
        raise ConfigurationError("Parquet is not for a terminal.", "Name a file with --output, or redirect.")
    with out.open("wb") if out else open(sys.stdout.fileno(), "wb", closefd=False) as sink:
        _WRITERS[format_](answer.reader, sink)


def _print_table(reader: "pa.RecordBatchReader") -> None:
    rows: list[tuple[Any, ...]] = []
    more = 0
    for batch in reader:
        wanted = batch.slice(0, max(0, _SHOWN_ROWS - len(rows)))
        rows.extend(tuple(_shown(value) for value in row.values()) for row in wanted.to_pylist())
        more += batch.num_rows - wanted.num_rows
    output().print(table_of("", reader.schema.names, rows))
    messages().print(f"{len(rows) + more:,} rows" + (f", {more:,} of them not shown: use --format csv" if more else ""))


def _shown(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def _write_csv(reader: "pa.RecordBatchReader", sink: BinaryIO) -> None:
    from pyarrow import csv

    with csv.CSVWriter(sink, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def _write_json(reader: "pa.RecordBatchReader", sink: BinaryIO) -> None:
    import json

    separator = b"["
    for batch in reader:
        for row in batch.to_pylist():
            sink.write(separator + json.dumps(row, default=_json_value, ensure_ascii=False).encode())
            separator = b",\n"
    sink.write(b"]\n" if separator != b"[" else b"[]\n")


def _json_value(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _write_parquet(reader: "pa.RecordBatchReader", sink: BinaryIO) -> None:
    from pyarrow import parquet

    with parquet.ParquetWriter(sink, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


_WRITERS = {
    Format.TABLE: _write_csv,
    Format.CSV: _write_csv,
    Format.JSON: _write_json,
    Format.PARQUET: _write_parquet,
}
