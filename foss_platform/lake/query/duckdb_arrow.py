"""The rows of a DuckDB query as Arrow, with every type of DuckDB."""

import duckdb
import pyarrow as pa
from duckdb.sqltypes import DuckDBPyType

from foss_platform.lake.table.quoting import quote_name, quote_text

# 2^63 ns in hours: the limit of the nanoseconds in Arrow's interval. For a longer interval, DuckDB 1.5 exports a wrong
# value without an error.
_INTERVAL_HOURS = 2_562_046
# Types that DuckDB cannot export, or exports as bytes in an internal format. A geometry becomes WKT, as in Trino.
_CASTS = {"variant": "JSON", "type": "VARCHAR", "geometry": "VARCHAR"}


def arrow_rows(
    connection: duckdb.DuckDBPyConnection, query: str, rows_per_batch: int, *, exact: bool
) -> pa.RecordBatchReader:
    """Run a query and stream its rows.

    Parameters
    ----------
    exact
        Whether types unknown to Arrow become Arrow extension types. Otherwise they become the nearest Arrow types.
    """
    if exact:
        connection.execute("set arrow_lossless_conversion = true")
    return connection.execute(_exportable(connection, query)).to_arrow_reader(rows_per_batch)


def _exportable(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """Return the query, wrapped in casts if its types need them."""
    (statement,) = connection.extract_statements(query)
    if statement.type != duckdb.StatementType.SELECT:
        return query
    # This binds the query but does not run it.
    relation = connection.sql(statement.query)
    casts = [
        _cast(f"c{place}", name, type_)
        for place, (name, type_) in enumerate(zip(relation.columns, relation.types, strict=True))
    ]
    if all(cast is None for cast in casts):
        return query
    chosen = ", ".join(
        f"{cast or f'c{place}'} as {quote_name(name)}"
        for place, (cast, name) in enumerate(zip(casts, relation.columns, strict=True))
    )
    names = ", ".join(f"c{place}" for place in range(len(casts)))
    # The closing parenthesis is on a new line, because the query may end in a comment.
    return f"select {chosen} from (\n{statement.query.rstrip().rstrip(';')}\n) as asked({names})"


def _cast(column: str, name: str, type_: DuckDBPyType) -> str | None:
    if type_.id == "interval":
        problem = quote_text(f"column {name} holds an interval of more than 292 years in hours: cast it to varchar")
        return f"if(abs(date_part('hour', {column})) > {_INTERVAL_HOURS}, error({problem}), {column})"
    target = _target(type_)
    return None if target is None else f"cast({column} as {target})"


def _target(type_: DuckDBPyType) -> str | None:
    """Return the type to cast to. None if the type can be exported unchanged."""
    if type_.id in _CASTS:
        return _CASTS[type_.id]
    if type_.id not in ("list", "array", "struct", "map", "union"):
        return None
    parts = [(name, part) for name, part in type_.children if isinstance(part, DuckDBPyType)]
    if type_.id == "union":
        # DuckDB lists the tag of a union as its first member.
        parts = parts[1:]
    targets = [_target(part) for _, part in parts]
    if all(target is None for target in targets):
        return None
    inner = [target or str(part) for target, (_, part) in zip(targets, parts, strict=True)]
    if type_.id == "list":
        return f"{inner[0]}[]"
    if type_.id == "array":
        return f"{inner[0]}[{dict(type_.children)['size']}]"
    if type_.id == "map":
        return f"MAP({inner[0]}, {inner[1]})"
    named = ", ".join(
        f"{quote_name(name)} {part}" if name else part for (name, _), part in zip(parts, inner, strict=True)
    )
    return f"{type_.id.upper()}({named})"
