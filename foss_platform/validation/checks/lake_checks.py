"""Checks of catalog and store together: a probe table is committed, read and dropped. Not here: either alone."""

from foss_platform.validation.probe import probe_rows
from foss_platform.validation.results import Check, Finding, Service, failed, passed
from foss_platform.validation.trial import CatalogKind, Trial


def _remedy(trial: Trial) -> str:
    look = "Look at the results for catalog and store"
    catalog = "" if trial.kind is CatalogKind.SQLITE else f"the user of {trial.kind}"
    store = "" if trial.bucket is None else f"the key of the bucket {trial.bucket}"
    users = " and ".join(filter(None, (catalog, store)))
    if not users:
        return f"{look}, and at the owner, permissions and free space of the lake's folder."
    return f"{look}: {users} must be able to create, commit and drop."


def lake_commits(trial: Trial) -> Finding:
    """A table is made in a namespace of its own, and rows are committed to it and read back."""
    from foss_platform.lake.store.failures import lake_failures

    table = trial.probe.make()
    with lake_failures():
        found = table.refresh().scan().to_arrow()
    wanted = probe_rows()
    if found.select(wanted.column_names).to_pylist() != wanted.to_pylist():
        return failed("the rows that were committed are not those that are read", "Do not use this store or catalog.")
    return passed(f"{found.num_rows} rows committed and read back")


def lake_drops(trial: Trial) -> Finding:
    """The probe is dropped and nothing of it is left, nor of one that was interrupted."""
    trial.probe.close()
    if left := trial.probe.remains():
        return failed(
            f"of {trial.probe.name} is left: {', '.join(left)}", "Remove it by hand, and look for what kept it."
        )
    swept = trial.probe.sweep()
    return passed("nothing is left" + (f"; removed what {swept} interrupted validations had left" if swept else ""))


COMMITS = Check(
    "lake_commits",
    Service.LAKE,
    "A table can be made, committed to and read.",
    lake_commits,
    _remedy,
    needs=("catalog_answers", "store_takes_objects"),
)
DROPS = Check(
    "lake_drops",
    Service.LAKE,
    "The table can be dropped, and nothing of it is left.",
    lake_drops,
    _remedy,
    needs=("lake_commits",),
)
