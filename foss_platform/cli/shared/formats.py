"""Writes rows for programs: CSV, JSON and Parquet.

See `cli.shared.text_output` and `cli.shared.parquet_output` for how values are written.

A file appears only when it is complete. Nothing is written to standard output before the schema has been accepted.
Parquet is written to standard output only as a whole, because its readers start at the end.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from foss_platform.errors import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa


class Format(StrEnum):
    """Output formats of rows."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def write_rows(reader: "pa.RecordBatchReader", format_: Format, out: Path | None) -> None:
    """Write all rows, with one batch in memory at a time. A table written to a file is CSV.

    Parameters
    ----------
    out
        The file to write. None writes to standard output.

    Raises
    ------
    ConfigurationError
        If Parquet would be written to a terminal, or if two columns in JSON or Parquet have the same name.
    UnstorableError
        If Parquet cannot store a column. The error names the column.
    """
    if format_ is Format.PARQUET and out is None and sys.stdout.isatty():
        raise ConfigurationError(
            "Parquet cannot be printed on a terminal.", "Name a file with --output, or redirect the output."
        )
    if format_ in (Format.JSON, Format.PARQUET):
        _refuse_repeated(reader.schema.names, format_)
    if format_ is Format.JSON:
        with _sink(out) as sink:
            _write_json(reader, sink)
    elif format_ is Format.PARQUET:
        _write_parquet(reader, out)
    else:
        with _sink(out) as sink:
            _write_csv(reader, sink)


def _refuse_repeated(names: list[str], format_: Format) -> None:
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        word = "JSON" if format_ is Format.JSON else "Parquet"
        raise ConfigurationError(
            f"{word} cannot hold several columns with the same name: {', '.join(repeated)}.",
            "Give each a different name with `as`.",
        )


@contextmanager
def _sink(out: Path | None) -> Iterator[BinaryIO]:
    """Provide standard output, or a file that gets its name when complete. An existing file is kept until then."""
    if out is None:
        with open(sys.stdout.fileno(), "wb", closefd=False) as stream:
            yield stream
        return
    if out.exists() and not out.is_file():
        # a rename cannot replace a pipe or a device, so write to it directly
        with out.open("wb") as stream:
            yield stream
        return
    target = Path(os.path.realpath(out))
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        partial.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _umask() -> int:
    # the current mask can only be read by setting a new one, so set it back
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write_csv(reader: "pa.RecordBatchReader", sink: BinaryIO) -> None:
    import pyarrow as pa
    from pyarrow import csv

    from foss_platform.cli.shared.text_output import texts

    # numbers and booleans must not be quoted, so the CSV writer gets them unconverted
    types = [_csv_type(field.type) for field in reader.schema]
    schema = pa.schema([pa.field(field.name, type_) for field, type_ in zip(reader.schema, types, strict=True)])
    with csv.CSVWriter(sink, schema) as writer:
        for batch in reader:
            columns = [_csv_column(column, type_, texts) for column, type_ in zip(batch.columns, types, strict=True)]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def _csv_type(type_: Any) -> Any:
    """Return the type that a column has in the CSV writer: its own for numbers, bool for DuckDB's bool8, else text."""
    import pyarrow as pa

    if isinstance(type_, pa.BaseExtensionType) and type_.extension_name == "arrow.bool8":
        return pa.bool_()
    return type_ if pa.types.is_primitive(type_) and not pa.types.is_temporal(type_) else pa.string()


def _csv_column(column: Any, to: Any, texts: Callable[[Any], Any]) -> Any:
    import pyarrow as pa

    if column.type == to:
        return column
    return column.storage.cast(to) if pa.types.is_boolean(to) else pa.array(texts(column), to)


def _write_json(reader: "pa.RecordBatchReader", sink: BinaryIO) -> None:
    import json

    from foss_platform.cli.shared.text_output import json_tokens

    names = [json.dumps(name, ensure_ascii=False) for name in reader.schema.names]
    separator = "["
    for batch in reader:
        for row in zip(*(json_tokens(column) for column in batch.columns), strict=True):
            members = ", ".join(f"{name}: {token}" for name, token in zip(names, row, strict=True))
            sink.write(f"{separator}{{{members}}}".encode())
            separator = ",\n"
    sink.write(b"]\n" if separator != "[" else b"[]\n")


def _write_parquet(reader: "pa.RecordBatchReader", out: Path | None) -> None:
    from pyarrow import parquet

    from foss_platform.cli.shared.parquet_output import stored_batch, stored_schema

    schema = stored_schema(reader.schema)

    def write(sink: BinaryIO) -> None:
        with parquet.ParquetWriter(sink, schema) as writer:
            for batch in reader:
                writer.write_batch(stored_batch(batch, schema))

    if out is not None:
        with _sink(out) as sink:
            write(sink)
        return
    with tempfile.TemporaryFile() as whole:
        write(whole)
        whole.seek(0)
        with _sink(None) as sink:
            shutil.copyfileobj(whole, sink)
