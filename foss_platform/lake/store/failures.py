"""Translating exceptions of Iceberg, SQLAlchemy and the operating system into errors that a user can act on.

The translation also decides whether a failure is transient.
"""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from foss_platform.errors import ConfigurationError, FossError, PermanentError, TransientError
from foss_platform.proxies import REMEDY, through

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

# AWS's error names as PyArrow prints them, then the wording of MinIO and of a REST catalog's S3 client
_KEY_REFUSED = re.compile(
    r"ACCESS_DENIED|SIGNATURE_DOES_NOT_MATCH|INVALID_ACCESS_KEY_ID|INVALID_CLIENT_TOKEN_ID|UNRECOGNIZED_CLIENT"
    r"|AccessDenied|SignatureDoesNotMatch|InvalidAccessKeyId|HTTP 403|Status Code: 403"
)
_NO_BUCKET = re.compile(r"NO_SUCH_BUCKET|NoSuchBucket|specified bucket does not exist")
_STORE_FULL = re.compile(
    r"no space left|XMinioStorageFull|minimum free drive threshold|(status|Status Code:) 507", re.IGNORECASE
)
_UPLOAD_LOST = re.compile(r"NO_SUCH_UPLOAD|NoSuchUpload")
# The bucket's name: in PyArrow's "in bucket 'x'", or in an address that DuckDB quotes
_BUCKET = re.compile(r"bucket '([^']+)'|reading 's3a?://([^/']+)|reading 'https?://[^/]+/([^/']+)")
_LOGIN_REFUSED = re.compile(
    r"authentication failed|(database|role) \"[^\"]*\" (does not exist|is not permitted)|no pg_hba\.conf entry"
    r"|no password supplied|permission denied"
)


@contextmanager
def lake_failures() -> Iterator[None]:
    """Translate storage and catalog failures. All other exceptions pass through.

    Raises
    ------
    TransientError
        If a disk is full, a store is unreachable, or a catalog is locked or unreachable.
    ConfigurationError
        If a key or password is refused, or a bucket or database does not exist.
    PermanentError
        If a file is missing.
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
        # RequestException is a subclass of OSError, and its text contains memory addresses of objects.
        by_way = through(str(error.request.url) if error.request is not None else "")
        raise TransientError(
            f"The Iceberg REST catalog did not answer{by_way} ({type(error).__name__}).",
            f"Check that it is up and that its address is correct. {REMEDY if by_way else ''}".strip(),
        ) from error
    except OSError as error:
        raise _from_os_error(error) from error
    except DBAPIError as error:
        raise _from_database_error(error) from error
    except (UnauthorizedError, ForbiddenError, OAuthError, AuthorizationExpiredError) as error:
        raise ConfigurationError(
            f"The Iceberg REST catalog refused access ({type(error).__name__}).",
            "Check the token or credential of catalog 'lake'.",
        ) from error
    except ValidationError as error:
        raise PermanentError(
            f"A table's metadata cannot be read: {str(error).splitlines()[0]}.", "Restore the file from a backup."
        ) from error
    except RESTError as error:
        raise _from_rest_error(error) from error


@contextmanager
def expired_elsewhere() -> Iterator[None]:
    """Treat the expiry of an already expired snapshot as an ordinary commit conflict.

    A commit that only expires snapshots changes no branch. PyIceberg therefore finds the conflict itself, when it
    creates the new metadata and before it contacts the catalog.

    Raises
    ------
    CommitFailedException
        Instead of PyIceberg's ValueError. Nothing was committed, so the operation can be retried.
    """
    from pyiceberg.exceptions import CommitFailedException

    try:
        yield
    except ValueError as error:
        if not re.match(r"Snapshot with snapshot id \d+ does not exist", str(error)):
            raise
        raise CommitFailedException("Another process has expired these snapshots") from error


def store_failure(said: str) -> FossError | None:
    """Return the error that an object store's message stands for. None if the message is about anything but a missing
    bucket, a refused key, a lost upload or a full disk.
    """
    found = _BUCKET.search(said)
    bucket = f"bucket {next(filter(None, found.groups()))}" if found else "the warehouse's bucket"
    if _NO_BUCKET.search(said):
        return ConfigurationError(
            f"The object store has no {bucket}." if found else "The object store does not have the warehouse's bucket.",
            "Check the catalog's warehouse and s3.endpoint. Create the bucket, or restore it from a backup.",
        )
    if _KEY_REFUSED.search(said):
        return ConfigurationError(
            f"The object store refuses the access key for {bucket}.",
            "Check s3.access-key-id and s3.secret-access-key of catalog 'lake', and the permissions of that key.",
        )
    if _UPLOAD_LOST.search(said):
        return TransientError(
            f"The object store lost an upload to {bucket} during the write. Nothing was committed.",
            "MinIO does this when its disk is full: check the disk. The next run continues from here.",
        )
    return _no_space() if _STORE_FULL.search(said) else None


@contextmanager
def damage(name: object) -> Iterator[None]:
    """Translate errors of reading damaged metadata into a permanent error that names the table.

    Raises
    ------
    PermanentError
        If a metadata file, manifest list or manifest cannot be parsed.
    """
    try:
        yield
    except (FossError, OSError):
        raise
    except Exception as error:
        # Parsing damaged bytes raises many types of errors: EOFError, zlib.error and SystemError were observed.
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        raise PermanentError(
            f"The metadata of {name} is damaged ({said}).",
            "Restore the damaged file from a backup. Until then, the table is neither changed nor cleaned up.",
        ) from error


def _from_os_error(error: OSError) -> FossError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _no_space()
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return TransientError(f"The warehouse is not writable: {error}.", "Check its owner and permissions.")
    if known := store_failure(str(error)):
        return known
    if error.errno == errno.ENOENT:
        # A file missing here was not deleted by concurrent maintenance, which retains unreferenced files for hours. So
        # the error is permanent. PyArrow raises the same error if the whole bucket is missing.
        return PermanentError(
            f"A file of the lake is missing: {error.filename or _first_line(error)}.",
            "Check that the warehouse's bucket or folder exists. Restore the file from a backup, with the "
            "catalog of the same time.",
        )
    return TransientError(f"The warehouse could not be read or written: {_first_line(error)}.", "Check its storage.")


def _from_database_error(error: "DBAPIError") -> FossError:
    # str(error) is not used, because it quotes the statement and its parameters.
    said = _first_line(error.orig)
    if re.search("disk is full|no space left", said, re.IGNORECASE):
        return _no_space()
    if _LOGIN_REFUSED.search(said):
        return ConfigurationError(
            f"The database of the Iceberg catalog refused access: {said}.",
            "Check user, password and database in the catalog's uri, and the user's permissions.",
        )
    return TransientError(
        f"The Iceberg catalog did not answer: {said}.",
        "Check that its database is up and not locked by another process. The next run continues from here.",
    )


def _from_rest_error(error: Exception) -> FossError:
    said = str(error)
    if known := store_failure(said):
        return known
    return TransientError(f"The Iceberg REST catalog did not answer: {_first_line(error)}.", "Check that it is up.")


def _first_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(" .:") if lines else type(error).__name__


def _no_space() -> FossError:
    return TransientError(
        "The disk of the warehouse or of its catalog is full. Nothing was committed.",
        "Free some space. The next run continues from here.",
    )
