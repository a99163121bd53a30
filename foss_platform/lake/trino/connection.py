"""Connections to Trino, which reads the same Iceberg tables, and the translation of its failures.

The settings `FOSS_TRINO_…` contain Trino's address and user. The timeouts of Trino's client limit every request, and
the client retries if the coordinator is briefly busy.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from foss_platform.errors import ConfigurationError, FossError, PermanentError, TransientError
from foss_platform.proxies import REMEDY, through
from foss_platform.settings import Settings, trino_problems

if TYPE_CHECKING:
    from trino.dbapi import Connection

#: Timeouts of a request in seconds: to connect, and between two bytes of an answer. They do not limit the
#: duration of a query, because the client polls for its result and the coordinator answers each poll within a second.
REQUEST_SECONDS = (5.0, 20.0)
#: How often a request that gets no answer is tried.
ATTEMPTS = 2

# https://trino.io/docs/current/develop/client-protocol.html: errorType of a failed query
_PASSING_NAMES = re.compile(
    r"NO_NODES_AVAILABLE|SERVER_SHUTTING_DOWN|SERVER_STARTING_UP|ICEBERG_COMMIT_ERROR|ICEBERG_CATALOG_ERROR"
    r"|ICEBERG_FILESYSTEM_ERROR|ICEBERG_CURSOR_ERROR|ICEBERG_CANNOT_OPEN_SPLIT|ICEBERG_WRITER|JDBC_ERROR"
    r"|ADMINISTRATIVELY_KILLED|ABANDONED_QUERY|QUERY_QUEUE_FULL|CLUSTER_OUT_OF_MEMORY|TRANSACTION_CONFLICT"
    r"|GENERIC_INSUFFICIENT_RESOURCES"
)
# The error name depends on which server notices the loss first: the coordinator, or a worker that waits for data of
# another worker.
_WORKER_NAMES = re.compile(r"REMOTE_HOST_GONE|REMOTE_TASK_|PAGE_TRANSPORT_|TOO_MANY_REQUESTS_FAILED")
# If the store fails while Trino reads a table's metadata, the error has one of these general names.
_STORE_NAMES = re.compile(r"GENERIC_INTERNAL_ERROR|ICEBERG_INVALID_METADATA")
_STORE_WORDS = re.compile(
    r"Error (processing|accessing) metadata|SdkClientException|S3Exception|Failed to open S3 file"
)
# Failures of the driver of a catalog in Postgres, which have a general error name as well.
_CATALOG_WORDS = re.compile(r"PSQLException|UncheckedSQLException|SQLTransientConnectionException")
_MEMORY_NAMES = re.compile(r"EXCEEDED_\w*MEMORY_LIMIT|EXCEEDED_SPILL_LIMIT|OUT_OF_SPILL_SPACE")


def quiet_client() -> None:
    """Stop the client from logging missing optional packages. It sets its own log level when it is imported."""
    from trino.logging import get_logger

    get_logger("trino", logging.WARNING)


def refuse_without_trino(settings: Settings) -> None:
    """Raise one error that lists all missing settings.

    Raises
    ------
    ConfigurationError
        If the settings do not say how Trino is reached.
    """
    if problems := trino_problems(settings):
        raise ConfigurationError(
            f"Trino cannot be used: {'; '.join(problems)}.", "docs/OPERATIONS.md lists each setting."
        )


@dataclass(frozen=True)
class Coordinator:
    """Address and user of Trino."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)


def coordinator(settings: Settings) -> Coordinator:
    """Return the coordinator from the settings. Also silences the log of the client, which the caller is about to use.

    Raises
    ------
    ConfigurationError
        If the settings do not say how Trino is reached.
    """
    refuse_without_trino(settings)
    quiet_client()
    url, password = urlsplit(settings.trino_url or ""), settings.trino_password
    secret = password.get_secret_value() if password else ""
    return Coordinator(url.hostname or "", url.port or 443, settings.trino_user or "", secret)


def connect_trino(settings: Settings, *, catalog: str | None = None, raw_values: bool = False) -> "Connection":
    """Return a connection with time zone UTC. Sends no request yet.

    Parameters
    ----------
    catalog
        The name of the default catalog in Trino. If None, the lake's catalog.
    raw_values
        Whether values are returned as in Trino's protocol. Python's types would not hold all values of Trino.

    Raises
    ------
    ConfigurationError
        If the settings do not say how Trino is reached.
    """
    server = coordinator(settings)
    from trino.auth import BasicAuthentication
    from trino.dbapi import connect

    from foss_platform.lake.trino.session import TrinoSession

    return connect(
        host=server.host,
        port=server.port,
        http_scheme="https",
        user=server.user,
        auth=BasicAuthentication(server.user, server.password),
        http_session=TrinoSession(str(settings.trino_ca_file) if settings.trino_ca_file else True),
        catalog=catalog or settings.trino_catalog,
        source="foss",
        timezone="UTC",
        legacy_primitive_types=raw_values,
        max_attempts=ATTEMPTS,
        request_timeout=REQUEST_SECONDS,
    )


@contextmanager
def trino_failures(settings: Settings) -> Iterator[None]:
    """Translate the client's failures.

    Raises
    ------
    TransientError
        If Trino does not answer, its queue is full, or it loses a worker or the catalog.
    ConfigurationError
        If Trino refuses access, or its certificate is not trusted.
    PermanentError
        If the query is wrong.
    """
    import requests
    from trino.exceptions import Error, HttpError, TrinoQueryError

    try:
        yield
    except FossError:
        raise
    except requests.RequestException as error:
        raise (untrusted(settings) if is_about_certificate(str(error)) else away(settings)) from error
    except TrinoQueryError as error:
        raise query_failure(str(error.error_name), str(error.message)) from error
    except (HttpError, Error) as error:
        raise http_failure(settings, str(error)) from error


def is_about_certificate(text: str) -> bool:
    """Whether a TLS failure was caused by the certificate, and not by a closed connection."""
    return (
        re.search(r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|doesn't match|not valid for", text) is not None
    )


def untrusted(settings: Settings) -> ConfigurationError:
    """Return the error for a certificate that is not trusted."""
    return ConfigurationError(
        f"Trino's certificate at {settings.trino_url} cannot be trusted.",
        "Set FOSS_TRINO_CA_FILE to the certificate that signed it, and use its host name in FOSS_TRINO_URL.",
    )


def away(settings: Settings) -> TransientError:
    """Return the error for a coordinator that does not answer."""
    by_way = through(settings.trino_url or "")
    remedy = f" {REMEDY}" if by_way else ""
    return TransientError(
        f"Trino at {settings.trino_url} does not answer{by_way}.", f"Check that it is up, and FOSS_TRINO_URL.{remedy}"
    )


def http_failure(settings: Settings, text: str) -> FossError:
    """Return the error for an HTTP failure, from the client's text."""
    if is_about_certificate(text):
        return untrusted(settings)
    if re.search(r"\b401\b|Invalid credentials|Unauthorized", text):
        return ConfigurationError(
            f"Trino at {settings.trino_url} refuses user {settings.trino_user}: wrong name or password.",
            "Check FOSS_TRINO_USER and FOSS_TRINO_PASSWORD.",
        )
    if re.search(r"\b403\b|Forbidden", text):
        return ConfigurationError(f"Trino at {settings.trino_url} refuses user {settings.trino_user}.")
    return away(settings)


def query_failure(name: str, message: str) -> FossError:
    """Return the error for a query that Trino aborted.

    Parameters
    ----------
    name
        Trino's error name, such as `SYNTAX_ERROR`.
    message
        The error text. Only its first line is shown.
    """
    line = message.strip().splitlines()[0] if message.strip() else name
    if name == "GENERIC_INTERNAL_ERROR" and _CATALOG_WORDS.search(line):
        return TransientError(
            f"Trino lost the lake's catalog: {line.partition(' [statement:')[0].rstrip('.')}.",
            "Check that the catalog is up, then run again.",
        )
    said = line if line.endswith((".", "!", "?")) else f"{line}."
    if _STORE_NAMES.fullmatch(name) and _STORE_WORDS.search(line):
        return TransientError(f"Trino could not read from the store: {said}", "Check the store, then run again.")
    if name == "EXCEEDED_TIME_LIMIT":
        return PermanentError(
            f"Trino stopped the query because it took too long: {said}", "Raise the time limit, or query less data."
        )
    if _MEMORY_NAMES.search(name):
        return PermanentError(
            f"Trino ran out of memory for this query: {said}", "Give Trino more memory, or let it spill to disk."
        )
    if name == "PERMISSION_DENIED":
        return ConfigurationError(f"Trino refuses: {said}", "Ask for the permission, or use another user.")
    if _WORKER_NAMES.search(name):
        return TransientError(
            f"Trino lost a worker while it ran the query: {said}", "Check that all workers are up, then run again."
        )
    if _PASSING_NAMES.search(name):
        return TransientError(f"Trino gave up ({name}): {said}", "Run it again. If it fails again, check Trino's log.")
    return PermanentError(f"Trino refuses the query ({name}): {said}")
