"""Prints differing rows on a terminal. See `lake.compare.diff` for the comparison."""

from typing import TYPE_CHECKING, Any

from rich.markup import escape

from foss_platform.cli.shared.terminal import output, table_of

if TYPE_CHECKING:
    from foss_platform.lake.compare.diff import Difference


def counts(found: "Difference") -> str:
    """Return the numbers of rows added, removed and changed, as text."""
    from foss_platform.lake.compare.diff import Kind

    changed = f", {found.counts[Kind.CHANGED]:,} changed" if found.key else ""
    return f"{found.counts[Kind.ADDED]:,} rows added, {found.counts[Kind.REMOVED]:,} removed{changed}"


def print_differences(found: "Difference", limit: int) -> None:
    """Print the first rows of each kind. For changed rows, print the changes."""
    from foss_platform.lake.compare.diff import Kind

    console = output()
    for kind, count in found.counts.items():
        if not count:
            continue
        shown = found.first(kind, limit)
        title = kind.value if count == len(shown) else f"{kind.value}: the first {len(shown)} of {count:,}, by key"
        if kind is Kind.CHANGED:
            columns, rows = (*found.key, "what changed"), [_changed(found, *row) for row in shown]
        else:
            columns, rows = _whole(found, [row[kind is Kind.ADDED] for row in shown], console.width)
        # a narrow table would wrap its title, so print the title separately
        console.print(f"[bold]{title}[/]")
        console.print(table_of("", [escape(column) for column in columns], rows))


def _whole(found: "Difference", rows: list[dict[str, Any]], width: int) -> tuple[tuple[str, ...], list[list[str]]]:
    """Return one cell per column if they fit. Otherwise all columns outside the key share one cell, which wraps."""
    cells = [["" if value is None else _text(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) + 3 for column in zip(found.columns, *cells, strict=True)]
    if sum(widths) <= width:
        return found.columns, cells
    lists = [
        [_text(row[column]) for column in found.key]
        + [", ".join(f"{escape(c)}: {_text(v)}" for c, v in row.items() if c not in found.key and v is not None)]
        for row in rows
    ]
    return (*found.key, "row"), lists


def _changed(found: "Difference", earlier: dict[str, Any], later: dict[str, Any]) -> list[str]:
    changes = [
        f"{escape(column)}: {_text(earlier[column])} → {_text(later[column])}"
        for column in found.columns
        if earlier[column] != later[column]
    ]
    return [_text(later[column]) for column in found.key] + ["\n".join(changes)]


def _text(value: Any) -> str:
    # values that differ only by a millisecond or in the third decimal must not look the same, so shorten nothing
    return "null" if value is None else escape(str(value))
