"""Turning what Iceberg, SQLAlchemy and the operating system raise into errors a user can act on.

What belongs here: the translation, in one place. What does not: deciding to retry.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from foss_platform.errors import FossError, LastingError, PassingError


@contextmanager
def lake_failures() -> Iterator[None]:
    """Translate storage and catalog failures into `PassingError`; let everything else through.

    Raises
    ------
    PassingError
        For a full disk, an unreachable store, a locked or unreachable catalog.
    """
    from pyiceberg.exceptions import CommitFailedException, RESTError, ValidationError
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except (FossError, CommitFailedException):
        raise
    except OSError as error:
        raise _from_os_error(error) from error
    except DBAPIError as error:
        if "disk is full" in str(error.orig):
            raise _no_space() from error
        # str(error) would quote the statement and its parameters
        raise PassingError(
            f"The Iceberg catalog did not answer: {error.orig}.",
            "Check that its database is up and not locked by another process; the next run continues where this ended.",
        ) from error
    except ValidationError as error:
        raise LastingError(
            f"A table's metadata cannot be read: {str(error).splitlines()[0]}.", "Restore the file from a backup."
        ) from error
    except RESTError as error:
        raise PassingError(f"The Iceberg REST catalog did not answer: {error}.", "Check that it is up.") from error


@contextmanager
def damage(name: object) -> Iterator[None]:
    """Name the table whose metadata is damaged; a retry cannot help it.

    Raises
    ------
    LastingError
        When a metadata file, manifest list or manifest cannot be understood.
    """
    try:
        yield
    except (FossError, OSError):
        raise
    except Exception as error:
        # whatever a reader of damaged bytes stumbles over: EOFError, zlib.error and SystemError were seen
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        raise LastingError(
            f"The metadata of {name} is damaged ({said}).",
            "Restore the damaged file from a backup; until then nothing of the table is changed or removed.",
        ) from error


def _from_os_error(error: OSError) -> FossError:
    if error.errno == errno.ENOENT:
        return LastingError(
            f"A file of the lake is missing: {error.filename or error}.",
            "Restore it from a backup, with the catalog of the same time.",
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _no_space()
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return PassingError(f"The warehouse may not be written: {error}.", "Check its owner and permissions.")
    return PassingError(f"The warehouse could not be read or written: {error}.", "Check the storage it lies on.")


def _no_space() -> FossError:
    return PassingError(
        "No space is left where the warehouse or its catalog lies; nothing was committed.",
        "Free some space; the next run continues where this one ended.",
    )
