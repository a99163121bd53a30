"""The `foss` command: its verbs, and how errors are shown.

Heavy imports (Dagster, dbt, Iceberg) stay inside the verbs, so that `foss --help` and completion are fast.
"""

import sys
from typing import Any, NoReturn

import typer
from click import Context
from typer.core import TyperGroup

from foss_platform.cli.explore.diff import diff
from foss_platform.cli.explore.history import history
from foss_platform.cli.explore.sql import sql
from foss_platform.cli.explore.status import status
from foss_platform.cli.explore.tables import tables
from foss_platform.cli.operate.adopt import adopt
from foss_platform.cli.operate.check import check
from foss_platform.cli.operate.cleanup import cleanup
from foss_platform.cli.operate.drop import drop
from foss_platform.cli.operate.init import init
from foss_platform.cli.operate.move import move
from foss_platform.cli.operate.parity import parity
from foss_platform.cli.operate.validate import validate
from foss_platform.cli.repair.quarantine import app as quarantine
from foss_platform.cli.repair.rebuild import rebuild
from foss_platform.cli.repair.replay import replay
from foss_platform.cli.repair.rollback import rollback
from foss_platform.cli.run.demo import demo
from foss_platform.cli.run.dev import dev
from foss_platform.cli.run.feed import feed
from foss_platform.cli.run.run import run as run_pipeline
from foss_platform.cli.shared.terminal import messages, show_error
from foss_platform.errors import ConfigurationError, FossError, own_error, was_interrupted
from foss_platform.proxies import keep_loopback_direct


class _Commands(TyperGroup):
    """All verbs. Ctrl-C ends each verb in the same way. Typer alone would end without a message."""

    def invoke(self, ctx: Context) -> Any:
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _end_interrupted()


app = typer.Typer(
    cls=_Commands,
    name="foss",
    help="The FOSS Data Platform: polls REST feeds into Iceberg tables, transforms them with dbt, and runs on Dagster.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for panel, commands in {
    "Run": (run_pipeline, dev, demo, feed),
    "Explore": (status, tables, sql, history, diff),
    "Repair": (replay, rebuild, rollback),
    "Operate": (init, check, validate, cleanup, drop, adopt, move, parity),
}.items():
    for command in commands:
        app.command(command.__name__, rich_help_panel=panel)(command)
app.add_typer(quarantine, name="quarantine", rich_help_panel="Repair")


def run() -> None:
    """The entry point. Prints a known error in one line.

    The exit code is 2 if the user can correct the error, 130 after Ctrl-C, and 1 for other errors.
    """
    keep_loopback_direct()
    try:
        app()
    except FossError as error:
        _end_with(error)
    except BrokenPipeError:
        # the reader, such as `head`, has closed the pipe. Closing stderr keeps Python from reporting it
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        # the cause is a file named by the user, or a home that cannot be written, so show an error without a traceback
        where = f"{error.filename}: " if error.filename else ""
        _end_with(
            own_error(error)
            or ConfigurationError(f"{where}{error.strerror or error}.", "Check the path, its owner and permissions.")
        )
    except Exception as error:
        # a framework may have wrapped an interruption or a known error in an error of its own
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
