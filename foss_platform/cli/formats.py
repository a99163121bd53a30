"""How rows leave a command for a program: CSV, JSON and Parquet. Not here: which rows, or tables for a person."""

import json
import math
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from foss_platform.errors import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa


class Format(StrEnum):
    """How the rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def write_rows(reader: "pa.RecordBatchReader", format_: Format, out: Path | None) -> None:
    """Write all rows, one batch in memory at a time; a table in a file is CSV.

    Parameters
    ----------
    out
        The file to write; None is standard output.

    Raises
    ------
    ConfigurationError
        For Parquet onto a terminal.
    """
    if format_ is Format.PARQUET and out is None and sys.stdout.isatty():
        raise ConfigurationError("Parquet is not for a terminal.", "Name a file with --output, or redirect.")
    with out.open("wb") if out else open(sys.stdout.fileno(), "wb", closefd=False) as sink:
        if format_ is Format.JSON:
            _write_json(reader, sink)
        elif format_ is Format.PARQUET:
            _write_parquet(reader, sink)
        else:
            _write_csv(reader, sink)


def _write_csv(reader: "pa.RecordBatchReader", sink: BinaryIO) -> None:
    from pyarrow import csv

    with csv.CSVWriter(sink, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def _write_json(reader: "pa.RecordBatchReader", sink: BinaryIO) -> None:
    names = reader.schema.names
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(
            f"JSON has no room for two columns of one name: {', '.join(repeated)}.", "Name them apart with `as`."
        )
    separator = b"["
    for batch in reader:
        for row in batch.to_pylist():
            text = json.dumps(_finite(row), default=_json_value, ensure_ascii=False, allow_nan=False)
            sink.write(separator + text.encode())
            separator = b",\n"
    sink.write(b"]\n" if separator != b"[" else b"[]\n")


def _finite(value: Any) -> Any:
    """The same with null for NaN and infinity, which JSON does not have (RFC 8259, section 6)."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list) else value


def _json_value(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _write_parquet(reader: "pa.RecordBatchReader", sink: BinaryIO) -> None:
    from pyarrow import parquet

    with parquet.ParquetWriter(sink, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
