"""What the commands over the lake's tables share: naming a table, times and sizes in words, asking before acting.

What does not belong here: what a command does with a table, or how a console looks (`cli.shared.terminal`).
"""

import difflib
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich import filesize

from foss_platform.errors import ConfigurationError, FossError, LastingError
from foss_platform.lake.table.names import TableName

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


def find_named(catalog: "Catalog", text: str) -> TableName:
    """The table that a user has named, such as `silver.parking_readings`, or as Dagster writes it, with a slash.

    Raises
    ------
    ConfigurationError
        When the lake holds none of that name; says which comes close, or which there are.
    """
    from foss_platform.lake.table.tables import list_tables

    known = {str(name): name for name in list_tables(catalog)}
    if (asked := text.strip().replace("/", ".", 1)) in known:
        return known[asked]
    # who leaves the namespace out has most often the rest of the name right
    near = difflib.get_close_matches(text, known, n=1) or [name for name in known if name.endswith(f".{text}")]
    remedy = f"Did you mean {near[0]}?" if near else f"The lake holds: {', '.join(known) or 'no table yet'}."
    raise ConfigurationError(f"There is no table {text}.", remedy)


def complete_table(incomplete: str) -> list[str]:
    """For the shell's completion; without a lake, or with one that is locked, nothing is offered."""
    try:
        from foss_platform.lake.connect.catalog import open_catalog
        from foss_platform.lake.table.tables import list_tables
        from foss_platform.settings import load_settings

        names = [str(name) for name in list_tables(open_catalog(load_settings(), create=False, judge=False))]
    except Exception:
        # whatever it is, a shell shows it in the middle of the line that somebody is typing
        return []
    return [name for name in names if name.startswith(incomplete)]


#: The argument that names a table.
TableArgument = Annotated[
    str, typer.Argument(metavar="TABLE", help="Such as silver.parking_readings.", autocompletion=complete_table)
]


def moment_text(moment: datetime) -> str:
    """A moment in UTC, to the millisecond, as `--at`, `--from` and `--to` read it back."""
    return f"{moment.astimezone(UTC).isoformat(sep=' ', timespec='milliseconds').removesuffix('+00:00')}Z"


def minute_text(moment: datetime | None) -> str:
    """A moment in UTC, to the minute, with its zone; nothing for none."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%MZ}" if moment is not None else ""


def oldest_text(moment: datetime | None) -> str:
    """The first moment that can be asked for: cut to the minute only if nothing is lost, since --at refuses earlier."""
    if moment is None or not (moment.second or moment.microsecond):
        return minute_text(moment)
    return moment_text(moment)


def size_text(size: int) -> str:
    """Bytes for a person."""
    return filesize.decimal(size)


def trouble(name: TableName, error: Exception) -> FossError:
    """What went wrong with one table of many, as one line that names it."""
    if not isinstance(error, FossError):
        first = (str(error).strip().splitlines() or [""])[0].rstrip(".")
        return LastingError(
            f"{name}: {type(error).__name__}: {first}.", "A file may be missing or damaged; restore it from a backup."
        )
    if str(name) in error.problem:
        return error
    return type(error)(f"{name}: {error.problem}", error.remedy)


def confirm(question: str, *, yes: bool) -> None:
    """Go on only when the user agrees, or has agreed beforehand.

    Raises
    ------
    ConfigurationError
        When there is nobody to ask.
    typer.Abort
        When the user says no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "This is asked for first, and standard input is no terminal; nothing was changed.",
            "Add --yes to agree beforehand, or --dry-run to only look.",
        )
    typer.confirm(question, abort=True, err=True)
