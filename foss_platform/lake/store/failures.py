"""Turning what Iceberg, SQLAlchemy and the operating system raise into errors a user can act on.

What belongs here: the translation, in one place, and with it whether a failure may pass. What does not: retrying.
"""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from foss_platform.errors import ConfigurationError, FossError, LastingError, PassingError
from foss_platform.proxies import REMEDY, through

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

# AWS's names of errors as PyArrow prints them, then the words of MinIO and of a REST catalog's S3 client
_KEY_REFUSED = re.compile(
    r"ACCESS_DENIED|SIGNATURE_DOES_NOT_MATCH|INVALID_ACCESS_KEY_ID|INVALID_CLIENT_TOKEN_ID|UNRECOGNIZED_CLIENT"
    r"|AccessDenied|SignatureDoesNotMatch|InvalidAccessKeyId|HTTP 403|Status Code: 403"
)
_NO_BUCKET = re.compile(r"NO_SUCH_BUCKET|NoSuchBucket|specified bucket does not exist")
_STORE_FULL = re.compile(
    r"no space left|XMinioStorageFull|minimum free drive threshold|(status|Status Code:) 507", re.IGNORECASE
)
_UPLOAD_LOST = re.compile(r"NO_SUCH_UPLOAD|NoSuchUpload")
# PyArrow's "in bucket 'x'", or the address that DuckDB quotes
_BUCKET = re.compile(r"bucket '([^']+)'|reading 's3a?://([^/']+)|reading 'https?://[^/]+/([^/']+)")
_LOGIN_REFUSED = re.compile(
    r"authentication failed|(database|role) \"[^\"]*\" (does not exist|is not permitted)|no pg_hba\.conf entry"
    r"|no password supplied|permission denied"
)


@contextmanager
def lake_failures() -> Iterator[None]:
    """Translate storage and catalog failures; let everything else through.

    Raises
    ------
    PassingError
        For a full disk, an unreachable store, a locked or unreachable catalog.
    ConfigurationError
        For a refused key or password, and for a bucket or database that is not there.
    LastingError
        For a file that is missing.
    """
    from pyiceberg.exceptions import (
        AuthorizationExpiredError,
        CommitFailedException,
        ForbiddenError,
        OAuthError,
        RESTError,
        UnauthorizedError,
        ValidationError,
    )
    from requests import RequestException
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except (FossError, CommitFailedException):
        raise
    except RequestException as error:
        # an OSError too; its text holds addresses of objects in memory
        by_way = through(str(error.request.url) if error.request is not None else "")
        raise PassingError(
            f"The Iceberg REST catalog did not answer{by_way} ({type(error).__name__}).",
            f"Check that it is up, and its address. {REMEDY if by_way else ''}".strip(),
        ) from error
    except OSError as error:
        raise _from_os_error(error) from error
    except DBAPIError as error:
        raise _from_database_error(error) from error
    except (UnauthorizedError, ForbiddenError, OAuthError, AuthorizationExpiredError) as error:
        raise ConfigurationError(
            f"The Iceberg REST catalog refuses us ({type(error).__name__}).",
            "Check the token or credential of catalog 'lake'.",
        ) from error
    except ValidationError as error:
        raise LastingError(
            f"A table's metadata cannot be read: {str(error).splitlines()[0]}.", "Restore the file from a backup."
        ) from error
    except RESTError as error:
        raise _from_rest_error(error) from error


@contextmanager
def expired_elsewhere() -> Iterator[None]:
    """Let a commit that expires what another process has just expired be a conflict like any other.

    An expiry alone moves no branch, so PyIceberg notices when it makes the new metadata, before the catalog is told.

    Raises
    ------
    CommitFailedException
        Instead of PyIceberg's ValueError: nothing was committed, and the same may be tried again.
    """
    from pyiceberg.exceptions import CommitFailedException

    try:
        yield
    except ValueError as error:
        if not re.match(r"Snapshot with snapshot id \d+ does not exist", str(error)):
            raise
        raise CommitFailedException("Another process has expired snapshots meanwhile") from error


def store_failure(said: str) -> FossError | None:
    """What an object store's refusal means; None where `said` is of something else."""
    found = _BUCKET.search(said)
    bucket = f"bucket {next(filter(None, found.groups()))}" if found else "the warehouse's bucket"
    if _NO_BUCKET.search(said):
        return ConfigurationError(
            f"The object store has no {bucket}." if found else "The object store does not have the warehouse's bucket.",
            "Check the catalog's warehouse and s3.endpoint; make the bucket, or restore it from a backup.",
        )
    if _KEY_REFUSED.search(said):
        return ConfigurationError(
            f"The object store refuses the access key for {bucket}.",
            "Check s3.access-key-id and s3.secret-access-key of catalog 'lake', and what that key may do.",
        )
    if _UPLOAD_LOST.search(said):
        return PassingError(
            f"The object store lost an upload to {bucket} while it was written; nothing was committed.",
            "MinIO does so when its disk has no space left: look there. The next run continues where this one ended.",
        )
    return _no_space() if _STORE_FULL.search(said) else None


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
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _no_space()
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return PassingError(f"The warehouse may not be written: {error}.", "Check its owner and permissions.")
    if known := store_failure(str(error)):
        return known
    if error.errno == errno.ENOENT:
        # maintenance spares files for hours, so this is no race; of a lost bucket PyArrow says no more than this
        return LastingError(
            f"A file of the lake is missing: {error.filename or _first_line(error)}.",
            "Is the warehouse's bucket or folder there? Restore the file from a backup, with the catalog of then.",
        )
    return PassingError(
        f"The warehouse could not be read or written: {_first_line(error)}.", "Check the storage it lies on."
    )


def _from_database_error(error: "DBAPIError") -> FossError:
    # not str(error): it would quote the statement and its parameters
    said = _first_line(error.orig)
    if re.search("disk is full|no space left", said, re.IGNORECASE):
        return _no_space()
    if _LOGIN_REFUSED.search(said):
        return ConfigurationError(
            f"The Iceberg catalog's database refuses us: {said}.",
            "Check user, password and database of the catalog's uri, and what the user may do.",
        )
    return PassingError(
        f"The Iceberg catalog did not answer: {said}.",
        "Check that its database is up and not locked by another process; the next run continues where this ended.",
    )


def _from_rest_error(error: Exception) -> FossError:
    said = str(error)
    if known := store_failure(said):
        return known
    return PassingError(f"The Iceberg REST catalog did not answer: {_first_line(error)}.", "Check that it is up.")


def _first_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(" .:") if lines else type(error).__name__


def _no_space() -> FossError:
    return PassingError(
        "No space is left where the warehouse or its catalog lies; nothing was committed.",
        "Free some space; the next run continues where this one ended.",
    )
