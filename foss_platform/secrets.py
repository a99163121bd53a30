"""Secrets from the environment, or from the file that `<NAME>_FILE` names, as containers mount them.

What belongs here: reading one, and refusing an unreadable or doubled one. What does not: what it is for. No
value of a secret is ever part of an error.
"""

from collections.abc import Mapping
from pathlib import Path

from foss_platform.errors import ConfigurationError

FILE_SUFFIX = "_FILE"


def read_secret(name: str, environment: Mapping[str, str]) -> str | None:
    """The value of `name`, or of the file that `<name>_FILE` names (without its line end); None for neither.

    Raises
    ------
    ConfigurationError
        When both are set, or the file cannot be read or is empty.
    """
    file = environment.get(f"{name}{FILE_SUFFIX}")
    if not file:
        return environment.get(name)
    if environment.get(name):
        raise ConfigurationError(f"Both {name} and {name}{FILE_SUFFIX} are set.", "Unset one of them.")
    try:
        value = Path(file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(
            f"{name}{FILE_SUFFIX} names {file}, which cannot be read: {reason}.", "Mount it, or correct the path."
        ) from None
    if not value:
        raise ConfigurationError(f"{name}{FILE_SUFFIX} names {file}, which is empty.", "Write the secret into it.")
    return value
