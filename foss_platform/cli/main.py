"""The `foss` command: its verbs, and how errors look. Not here: what a verb does.

Heavy imports (Dagster, dbt, Iceberg) stay inside the verbs, so that `foss --help` and completion are quick.
"""

import sys
from typing import Any, NoReturn

import typer
from click import Context
from typer.core import TyperGroup

from foss_platform.cli.adopt import adopt
from foss_platform.cli.cleanup import cleanup
from foss_platform.cli.demo import demo
from foss_platform.cli.dev import dev
from foss_platform.cli.diff import diff
from foss_platform.cli.drop import drop
from foss_platform.cli.feed import feed
from foss_platform.cli.history import history
from foss_platform.cli.move import move
from foss_platform.cli.parity import parity
from foss_platform.cli.quarantine import app as quarantine
from foss_platform.cli.rebuild import rebuild
from foss_platform.cli.replay import replay
from foss_platform.cli.rollback import rollback
from foss_platform.cli.run import run as run_pipeline
from foss_platform.cli.sql import sql
from foss_platform.cli.status import status
from foss_platform.cli.tables import tables
from foss_platform.cli.terminal import messages, show_error
from foss_platform.cli.validate import validate
from foss_platform.errors import ConfigurationError, FossError, own_error, was_interrupted
from foss_platform.proxies import keep_loopback_direct


class _Commands(TyperGroup):
    """All verbs. A Ctrl-C ends any of them in the same way; Typer would end without a word."""

    def invoke(self, ctx: Context) -> Any:
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _end_interrupted()


app = typer.Typer(
    cls=_Commands,
    name="foss",
    help="The FOSS Data Platform: REST feeds into Iceberg, refined with dbt, run by Dagster.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run_pipeline)
app.command()(status)
app.command()(validate)
app.command()(sql)
app.command()(tables)
app.command()(history)
app.command()(diff)
app.command()(rollback)
app.command()(cleanup)
app.command()(drop)
app.command()(move)
app.command()(adopt)
app.command()(replay)
app.add_typer(quarantine, name="quarantine")
app.command()(rebuild)
app.command()(parity)
app.command()(feed)
app.command()(dev)
app.command()(demo)


def run() -> None:
    """The entry point: a known error is one line; 2 if the user can correct it, 130 for Ctrl-C, else 1."""
    keep_loopback_direct()
    try:
        app()
    except FossError as error:
        _end_with(error)
    except BrokenPipeError:
        # the reader, such as `head`, has had enough; closing stderr keeps Python from saying so
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        # a file that the user named, or a home that cannot be written: their business, not a fault of the program
        where = f"{error.filename}: " if error.filename else ""
        _end_with(
            own_error(error)
            or ConfigurationError(f"{where}{error.strerror or error}.", "Check the path, its owner and permissions.")
        )
    except Exception as error:
        # a framework may have wrapped it in an error of its own
        if was_interrupted(error):
            _end_interrupted()
        if (own := own_error(error)) is None:
            raise
        _end_with(own)


def _end_with(error: FossError) -> NoReturn:
    show_error(error)
    sys.exit(2 if isinstance(error, ConfigurationError) else 1)


def _end_interrupted() -> NoReturn:
    messages().print("Interrupted")
    sys.exit(130)
