"""Checks of catalog and store together: a probe table is committed, read and dropped."""

from foss_platform.validation.probe import probe_rows
from foss_platform.validation.results import Check, Finding, Service, failed, passed
from foss_platform.validation.trial import CatalogKind, Trial


def _remedy(trial: Trial) -> str:
    look = "See the results for catalog and store"
    catalog = "" if trial.kind is CatalogKind.SQLITE else f"the user of {trial.kind}"
    store = "" if trial.bucket is None else f"the key of the bucket {trial.bucket}"
    users = " and ".join(filter(None, (catalog, store)))
    if not users:
        return f"{look}, and check the owner, permissions and free space of the lake's folder."
    return f"{look}. Allow {users} to create, commit and drop tables."


def lake_commits(trial: Trial) -> Finding:
    """A table is created in its own namespace, and rows are committed to it and read back."""
    from foss_platform.lake.store.failures import lake_failures

    table = trial.probe.make()
    with lake_failures():
        found = table.refresh().scan().to_arrow()
    wanted = probe_rows()
    if found.select(wanted.column_names).to_pylist() != wanted.to_pylist():
        return failed("the rows that were read are not the committed rows", "Do not use this store or catalog.")
    return passed(f"{found.num_rows} rows committed and read back")


def lake_drops(trial: Trial) -> Finding:
    """The probe is dropped, and nothing remains of this probe or of probes that were interrupted."""
    trial.probe.close()
    if left := trial.probe.remains():
        return failed(
            f"parts of {trial.probe.name} remain: {', '.join(left)}",
            "Delete them manually, and find out why they could not be deleted.",
        )
    swept = trial.probe.sweep()
    return passed(
        "nothing remains" + (f", and the remains of {swept} interrupted validations were deleted" if swept else "")
    )


COMMITS = Check(
    "lake_commits",
    Service.LAKE,
    "A table can be created, committed to and read.",
    lake_commits,
    _remedy,
    needs=("catalog_answers", "store_takes_objects"),
)
DROPS = Check(
    "lake_drops",
    Service.LAKE,
    "The table can be dropped, and nothing of it remains.",
    lake_drops,
    _remedy,
    needs=("lake_commits",),
)
