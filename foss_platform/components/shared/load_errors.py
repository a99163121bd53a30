"""Why the code location does not load, in one line: Dagster wraps each error in a tree of all pages."""

import dagster as dg
import yaml
from pydantic import ValidationError

from foss_platform.errors import ConfigurationError, FossError, causes, own_error


def plain_error(error: Exception) -> FossError | None:
    """The error of ours that was wrapped, or what a page lacks; None for a fault of the program."""
    if (own := own_error(error)) is not None:
        return own
    for kinds in ((ValidationError, yaml.YAMLError), (dg.DagsterError,)):
        for found in causes(error):
            if isinstance(found, kinds):
                return ConfigurationError(
                    f"A page in foss_platform/defs cannot be read: {_one_line(found)}.",
                    "Correct it: docs/PIPELINES.md describes pages.",
                )
    return None


def _one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines()]
    return " ".join(line for line in lines if line and not line.startswith("For further information")).rstrip(".")
