"""Requests to an object store that PyArrow's file system does not offer, through s3fs.

If a store accepts connections and never answers, s3fs retries for minutes. This module makes one try, with the same
timeouts as PyArrow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: S3 accepts up to 1000 keys per request. A MinIO with few resources deletes 500 objects within the
#: timeout.
BATCH = 500

_CONNECT_SECONDS, _ANSWER_SECONDS = 3.0, 8.0

# All properties that this module can pass on to s3fs. `s3.retry-strategy-impl` limits PyArrow to one try. It needs no
# translation, because `open_s3` always limits s3fs to one try.
_KNOWN = {
    "s3.endpoint",
    "s3.access-key-id",
    "s3.secret-access-key",
    "s3.session-token",
    "s3.region",
    "s3.force-virtual-addressing",
    "s3.connect-timeout",
    "s3.request-timeout",
    "s3.retry-strategy-impl",
}
_NOT_OFFERED = {"NotImplemented", "MethodNotAllowed", "MissingContentMD5", "501", "405"}


class BulkDeleteUnsupported(Exception):  # noqa: N818  # a result, not a failure
    """The store cannot delete several objects in one request."""


@dataclass(frozen=True)
class Deleted:
    """The result of deleting several objects in one request.

    Attributes
    ----------
    gone
        Paths that the store reports as deleted.
    refused
        The store's reason for each path that it did not delete.
    """

    gone: list[str]
    refused: dict[str, str]


def open_s3(properties: Mapping[str, Any]) -> Any:
    """Open the store that a catalog's `s3.…` properties describe, with s3fs. Sends no request yet."""
    import s3fs

    times = {
        "connect_timeout": float(properties.get("s3.connect-timeout", _CONNECT_SECONDS)),
        "read_timeout": float(properties.get("s3.request-timeout", _ANSWER_SECONDS)),
        "retries": {"max_attempts": 0},
    }
    virtual = str(properties.get("s3.force-virtual-addressing", "false")).lower() == "true"
    endpoint, region = properties.get("s3.endpoint"), properties.get("s3.region")
    style = {} if endpoint is None else {"s3": {"addressing_style": "virtual" if virtual else "path"}}
    files = s3fs.S3FileSystem(
        key=properties.get("s3.access-key-id"),
        secret=properties.get("s3.secret-access-key"),
        token=properties.get("s3.session-token"),
        endpoint_url=endpoint,
        client_kwargs={"region_name": region} if region else {},
        config_kwargs={**times, **style},
        use_listings_cache=False,
        skip_instance_cache=True,
    )
    # s3fs retries on its own, in addition to botocore.
    files.retries = 1
    return files


def has_same_connection_settings(properties: Mapping[str, Any]) -> bool:
    """Whether s3fs would reach the same store as PyArrow, with the same access rights. False if the catalog has a
    property that this module cannot pass on.
    """
    return {name for name in properties if name.startswith(("s3.", "client."))} <= _KNOWN


def delete_objects(files: Any, paths: Sequence[str]) -> Deleted:
    """Delete up to `BATCH` objects of one bucket in one request. An object that is already gone is not a failure.

    Raises
    ------
    BulkDeleteUnsupported
        If the store does not support such a request. Nothing is deleted then.
    OSError
        If the store does not answer or refuses the whole request.
    """
    (bucket,) = {path.partition("/")[0] for path in paths}
    keys = {path.partition("/")[2]: path for path in paths}
    try:
        answer = files.call_s3("delete_objects", Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    except Exception as error:
        # Without an answer, this is an error of botocore. A refusal is an error of s3fs, whose cause contains the
        # store's error code.
        said = getattr(error.__cause__, "response", {}).get("Error", {})
        if said.get("Code") in _NOT_OFFERED:
            raise BulkDeleteUnsupported from error
        told = f"{said.get('Code', type(error).__name__)}: {said.get('Message', error)}"
        raise OSError(f"deleting {len(paths)} objects in bucket '{bucket}': {told}") from error
    errors = {found["Key"]: found for found in answer.get("Errors", [])}
    done = {found["Key"] for found in answer.get("Deleted", [])}
    done |= {key for key, found in errors.items() if found.get("Code") == "NoSuchKey"}
    return Deleted(
        gone=[path for key, path in keys.items() if key in done],
        refused={path: _reason(errors.get(key)) for key, path in keys.items() if key not in done},
    )


def create_object(files: Any, path: str, content: bytes) -> bool | None:
    """Write an object unless it exists.

    Returns
    -------
    Whether this call wrote the object. None if the store does not support conditional writes.

    Raises
    ------
    OSError
        If the store does not answer, or refuses for another reason.
    """
    bucket, _, key = path.partition("/")
    try:
        files.call_s3("put_object", Bucket=bucket, Key=key, Body=content, IfNoneMatch="*")
    except Exception as error:
        said = getattr(error, "response", None) or getattr(error.__cause__, "response", None) or {}
        code = str(said.get("Error", {}).get("Code", ""))
        status = said.get("ResponseMetadata", {}).get("HTTPStatusCode")
        # A conflict means that another process is creating the object at this moment.
        if status in (409, 412) or code in ("PreconditionFailed", "ConditionalRequestConflict"):
            return False
        if code in _NOT_OFFERED:
            return None
        raise OSError(f"writing {key} in bucket '{bucket}': {code or type(error).__name__}: {error}") from error
    return True


def _reason(found: Mapping[str, Any] | None) -> str:
    return "no answer" if found is None else f"{found.get('Code')}: {found.get('Message')}"
