"""Secrets from the environment, or from the file that `<NAME>_FILE` names, as containers mount them.

Errors never contain the value of a secret.
"""

from collections.abc import Mapping
from pathlib import Path

from foss_platform.errors import ConfigurationError

FILE_SUFFIX = "_FILE"


def read_secret(name: str, environment: Mapping[str, str]) -> str | None:
    """Return the value of `name`, or the content of the file that `<name>_FILE` names without its line end.

    Returns None if neither variable is set.

    Raises
    ------
    ConfigurationError
        If both variables are set, or the file is empty or cannot be read.
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
