"""Helpers of the commands over the lake's tables: table names, times and sizes as text, confirmation."""

import difflib
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich import filesize

from foss_platform.errors import ConfigurationError, FossError, PermanentError
from foss_platform.lake.table.names import TableName

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


def find_named(catalog: "Catalog", text: str) -> TableName:
    """Find the table named by a user, such as `silver.parking_readings`, or with a slash as in Dagster.

    Raises
    ------
    ConfigurationError
        If the lake has no table of that name. The error suggests a similar name, or lists the known tables.
    """
    from foss_platform.lake.table.tables import list_tables

    known = {str(name): name for name in list_tables(catalog)}
    if (asked := text.strip().replace("/", ".", 1)) in known:
        return known[asked]
    # users who omit the namespace usually have the rest of the name right
    near = difflib.get_close_matches(text, known, n=1) or [name for name in known if name.endswith(f".{text}")]
    remedy = f"Did you mean {near[0]}?" if near else f"Known tables: {', '.join(known) or 'none yet'}."
    raise ConfigurationError(f"There is no table {text}.", remedy)


def complete_table(incomplete: str) -> list[str]:
    """Return table names for the shell's completion. Empty without a lake, or if the lake is locked."""
    try:
        from foss_platform.lake.connect.catalog import open_catalog
        from foss_platform.lake.table.tables import list_tables
        from foss_platform.settings import load_settings

        names = [str(name) for name in list_tables(open_catalog(load_settings(), create=False, judge=False))]
    except Exception:
        # a shell would print any error in the middle of the line that the user is typing
        return []
    return [name for name in names if name.startswith(incomplete)]


#: The argument that names a table.
TableArgument = Annotated[
    str,
    typer.Argument(metavar="TABLE", help="A table, such as silver.parking_readings.", autocompletion=complete_table),
]


def moment_text(moment: datetime) -> str:
    """Return a moment in UTC, to the millisecond, in a form that `--at`, `--from` and `--to` accept."""
    return f"{moment.astimezone(UTC).isoformat(sep=' ', timespec='milliseconds').removesuffix('+00:00')}Z"


def minute_text(moment: datetime | None) -> str:
    """Return a moment in UTC, to the minute, with its zone. Empty for None."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%MZ}" if moment is not None else ""


def oldest_text(moment: datetime | None) -> str:
    """Return the oldest readable moment as text: to the minute if no seconds are lost, else to the millisecond.

    A shortened time would be too early, and `--at` would refuse it.
    """
    if moment is None or not (moment.second or moment.microsecond):
        return minute_text(moment)
    return moment_text(moment)


def size_text(size: int) -> str:
    """Return a number of bytes in readable units."""
    return filesize.decimal(size)


def trouble(name: TableName, error: Exception) -> FossError:
    """Return an error as one line that names its table, for commands over many tables."""
    if not isinstance(error, FossError):
        first = (str(error).strip().splitlines() or [""])[0].rstrip(".")
        return PermanentError(
            f"{name}: {type(error).__name__}: {first}.", "A file may be missing or damaged. Restore it from a backup."
        )
    if str(name) in error.problem:
        return error
    return type(error)(f"{name}: {error.problem}", error.remedy)


def confirm(question: str, *, yes: bool) -> None:
    """Continue only if the user agrees, or has agreed with --yes.

    Raises
    ------
    ConfigurationError
        If there is no terminal to ask on.
    typer.Abort
        If the user declines.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "This needs confirmation, and standard input is not a terminal. Nothing was changed.",
            "Add --yes to confirm, or --dry-run to see what would be done.",
        )
    typer.confirm(question, abort=True, err=True)
