"""Checks of the warehouse's store: a folder or a bucket. See `lake_checks` for the checks of tables."""

from foss_platform.validation.checks.settings_checks import space_of
from foss_platform.validation.checks.table_checks import standing_in
from foss_platform.validation.results import Check, Finding, Service, failed, passed, skipped
from foss_platform.validation.trial import Trial

_CONTENT = b"a probe of foss validate, which may be deleted"
_OBJECT = "object"

# a part of an error's text, and the remedy for it
_REMEDIES = (
    ("NO_SUCH_BUCKET", "Create the bucket named in the warehouse, or correct PYICEBERG_CATALOG__LAKE__WAREHOUSE."),
    ("INVALID_ACCESS_KEY", "Check PYICEBERG_CATALOG__LAKE__S3__ACCESS_KEY_ID."),
    ("InvalidAccessKeyId", "Check PYICEBERG_CATALOG__LAKE__S3__ACCESS_KEY_ID."),
    ("SIGNATURE", "Check PYICEBERG_CATALOG__LAKE__S3__SECRET_ACCESS_KEY, and this machine's clock."),
    ("TIME_TOO_SKEWED", "Correct the clock of this machine or of the store, e.g. with NTP."),
    ("ACCESS_DENIED", "Give the key permission to read, write, list and delete in the warehouse."),
    ("Forbidden", "Give the key permission to read, write, list and delete in the warehouse."),
    ("NETWORK_CONNECTION", "Check that the store is running, and PYICEBERG_CATALOG__LAKE__S3__ENDPOINT."),
    ("curlCode", "Check that the store is running, and PYICEBERG_CATALOG__LAKE__S3__ENDPOINT."),
)
_REMEDY = "Check that the store is running, PYICEBERG_CATALOG__LAKE__S3__ENDPOINT, and the permissions of the key."
_FOLDER_REMEDY = "Check the owner, permissions and free disk space of the warehouse's folder."


def store_takes_objects(trial: Trial) -> Finding:
    """Write, read, list and delete one object, in this order."""
    files, name = trial.probe.files, trial.probe.name
    if files is None:
        return skipped(
            "not tested here: only the REST catalog knows where the warehouse is. "
            "The checks that create and read a probe table test this store"
        )
    if trial.is_embedded and trial.has_no_lake_yet:
        return skipped(f"there is no lake at {trial.settings.home} yet. The first run creates it", blocks=True)
    standing = standing_in(trial)
    if standing is not None and not standing.is_own:
        return skipped("the warehouse belongs to another catalog, so nothing is written there", blocks=True)
    path, step = f"{name}/{_OBJECT}", "write"
    try:
        trial.probe.touch()
        files.write(path, _CONTENT)
        step = "read"
        if files.read(path) != _CONTENT:
            return failed("an object was read back with different content", "Do not use this store: it is broken.")
        step = "list"
        if files.names(name) != [_OBJECT]:
            return failed(
                "an object that was just written is not listed",
                "Use a store whose listings are consistent, as S3's and MinIO's are.",
            )
        step = "delete"
        files.remove(name)
        if files.names(name):
            remedy = _FOLDER_REMEDY if trial.bucket is None else "Give the key permission to delete in the warehouse."
            return failed("a deleted object is still listed", remedy)
    except OSError as error:
        text = str(error)
        what = "folder" if trial.bucket is None else "bucket"
        return failed(f"the {what} of the warehouse refused to {step} an object: {text}", _remedy(trial, text))
    return passed(f"wrote, read, listed and deleted an object in {trial.warehouse}")


def store_has_room(trial: Trial) -> Finding:
    """A folder's disk is not full. An object store does not report its free space."""
    if trial.folder is None:
        return skipped("an object store does not report its free space")
    return space_of(trial.folder, "the warehouse")


def _remedy(trial: Trial, text: str = "") -> str:
    if trial.bucket is None:
        return _FOLDER_REMEDY
    return next((remedy for part, remedy in _REMEDIES if part in text), _REMEDY)


CHECKS = (
    Check(
        "store_takes_objects",
        Service.STORE,
        "An object in the warehouse can be written, read, listed and deleted.",
        store_takes_objects,
        _remedy,
    ),
    Check(
        "store_has_room",
        Service.STORE,
        "The disk of a warehouse in a folder is not full.",
        store_has_room,
        "Check the disk of the warehouse.",
    ),
)
