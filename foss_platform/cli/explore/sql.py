"""`foss sql`: query the lake, and print or export the rows. See `lake.query.query` for how a query is executed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from foss_platform.cli.shared.formats import Format, write_rows
from foss_platform.cli.shared.terminal import messages, output, table_of
from foss_platform.engine import Engine
from foss_platform.errors import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN_ROWS = 200


def sql(
    query: Annotated[str | None, typer.Argument(metavar="QUERY")] = None,
    file: Annotated[Path | None, typer.Option("--file", "-F", help="Read the query from this file.")] = None,
    format_: Annotated[Format, typer.Option("--format", "-f", help="Output format of the rows.")] = Format.TABLE,
    at: Annotated[
        str | None, typer.Option("--at", help="Read the tables as of this moment: an ISO time, or '2 hours ago'.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the rows to this file instead of the terminal.")
    ] = None,
    engine: Annotated[
        Engine | None,
        typer.Option(help="The engine that runs the query, in its own SQL dialect. Trino reads live snapshots only."),
    ] = None,
) -> None:
    """Query the lake, e.g. foss sql "select * from gold.parking_latest"."""
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.lake.query.query import ask
    from foss_platform.lake.table.moments import parse_moment
    from foss_platform.settings import load_settings

    asked = _query(query, file)
    settings = load_settings()
    moment = parse_moment(at, datetime.now(UTC)) if at is not None else None
    catalog = open_catalog(settings, create=False)
    if (engine or settings.engine) is Engine.TRINO:
        from foss_platform.lake.trino.query import ask_trino

        answer = ask_trino(settings, catalog, asked, moment)
    else:
        answer = ask(settings, catalog, asked, moment, exact=True)
    for name, point in answer.points.items():
        messages().print(f"{name} as committed at {point.committed_at.isoformat()}", soft_wrap=True)
    if format_ is Format.TABLE and out is None:
        _print_table(answer.reader)
        return
    write_rows(answer.reader, format_, out)


def _query(query: str | None, file: Path | None) -> str:
    if query is not None and file is None:
        return query
    if file is None or query is not None:
        raise ConfigurationError("Exactly one of QUERY and --file is needed.", "See foss sql --help.")
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file} is not UTF-8 text.", "Convert the file to UTF-8.") from None


def _print_table(reader: "pa.RecordBatchReader") -> None:
    from foss_platform.cli.shared.text_output import texts

    rows: list[tuple[str | None, ...]] = []
    more = 0
    for batch in reader:
        wanted = batch.slice(0, max(0, _SHOWN_ROWS - len(rows)))
        # two columns may have the same name, so read columns by position
        columns = [_shown(column.type, texts(column)) for column in wanted.columns]
        rows.extend(zip(*columns, strict=True))
        more += batch.num_rows - wanted.num_rows
    output().print(table_of("", [escape(name) for name in reader.schema.names], rows))
    messages().print(f"{len(rows) + more:,} rows" + (f", {more:,} not shown (use --format csv)" if more else ""))


def _shown(type_: "pa.DataType", cells: list[str | None]) -> list[str | None]:
    import pyarrow as pa

    if pa.types.is_floating(type_):
        return [None if cell is None else f"{float(cell):.10g}" for cell in cells]
    if pa.types.is_timestamp(type_):
        return [None if cell is None else cell.replace("T", " ") for cell in cells]
    # escape the cells, because [red] in a cell is data and not a color
    return [None if cell is None else escape(cell) for cell in cells]
