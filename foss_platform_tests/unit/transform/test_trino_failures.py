"""dbt's error texts for failures on Trino, translated into the platform's errors."""

import pytest

from foss_platform.errors import ConfigurationError, FossError, PermanentError, TransientError
from foss_platform.settings import Settings
from foss_platform.transform.trino_failures import failure_in

_URL = "https://trino.example:8443"
_MODEL = "in model parking_readings (models/silver/parking/parking_readings.sql)"
_POOL = "HTTPSConnectionPool(host='trino.example', port=8443)"


def query(kind: str, name: str, message: str) -> str:
    """Return dbt's text for a failed query."""
    said = f'Trino{kind}Error(type=X, name={name}, message="{message}", query_id=20261123_095200_00042_abcde)'
    return f"Database Error {_MODEL}\n  {said}\n  compiled code at target/run/parking_readings.sql"


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (
            query("User", "COLUMN_NOT_FOUND", "line 3:5: Column 'x' cannot be resolved"),
            PermanentError,
            "line 3:5: Column 'x'",
        ),
        (
            query(
                "Query", "EXCEEDED_LOCAL_MEMORY_LIMIT", "Query exceeded per-node memory limit of 300MB [Allocated: 3]"
            ),
            PermanentError,
            "Trino ran out of memory for this query: Query exceeded per-node",
        ),
        (
            query("Query", "REMOTE_HOST_GONE", "The node\n  may have crashed"),
            TransientError,
            "lost a worker while it ran the query: The node.",
        ),
        (
            query(
                "Query",
                "GENERIC_INTERNAL_ERROR",
                "org.postgresql.util.PSQLException: An I/O error occurred while sending to the backend. "
                '[statement:"UPDATE iceberg_tables SET metadata_location = :metadata_location", arguments:{}]',
            ),
            TransientError,
            "catalog: org.postgresql.util.PSQLException: An I/O error occurred while sending to the backend. Check",
        ),
        (
            query("Query", "GENERIC_INTERNAL_ERROR", "Error processing metadata for table silver.parking_readings"),
            TransientError,
            "could not read from the store",
        ),
        (query("Query", "GENERIC_INTERNAL_ERROR", "index out of bounds"), PermanentError, "Trino refuses the query"),
        (query("External", "ICEBERG_CURSOR_ERROR", "Failed to read Parquet file: s3://a/b"), TransientError, "gave up"),
        (query("Query", "EXCEEDED_TIME_LIMIT", "limit of 2.00h"), PermanentError, "took too long: limit of 2.00h."),
        (query("User", "PERMISSION_DENIED", 'Access Denied: Cannot write "gold"'), ConfigurationError, "Access Denied"),
        (
            f"Runtime Error {_MODEL}\n  {_POOL}: Max retries exceeded with url: /v1/statement (Caused by "
            'NewConnectionError("Failed to establish a new connection: [Errno 111] Connection refused"))',
            TransientError,
            f"Trino at {_URL} does not answer. Check that it is up",
        ),
        (f"Runtime Error\n  {_POOL}: Read timed out. (read timeout=20.0)", TransientError, "does not answer"),
        ("Runtime Error\n  ('Connection aborted.', RemoteDisconnected('closed'))", TransientError, "does not answer"),
        (
            f"Runtime Error\n  {_POOL}: Max retries exceeded (Caused by SSLError(SSLCertVerificationError(1, "
            "'[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer')))",
            ConfigurationError,
            "certificate",
        ),
        (
            f"Runtime Error\n  {_POOL}: Max retries exceeded (Caused by SSLError(SSLEOFError(8, "
            "'[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol')))",
            TransientError,
            "does not answer",
        ),
        ("Database Error\n  error 401: b'Invalid credentials'", ConfigurationError, "wrong name or password"),
        ("Database Error\n  error 503: service unavailable", TransientError, "does not answer"),
    ],
)
def test_failure_is_reported_in_one_line(text: str, kind: type[FossError], words: str) -> None:
    error = failure_in(Settings(trino_url=_URL), text)
    assert type(error) is kind
    assert words in str(error)
    assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize(
    "text", [f"Compilation Error {_MODEL}\n  'x' is undefined", "Got 3 results, configured to fail if != 0", ""]
)
def test_other_errors_stay_unchanged(text: str) -> None:
    assert failure_in(Settings(trino_url=_URL), text) is None
