"""Translates the environment of a lake from PyIceberg's variables to those of Trino's files."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy.engine import make_url

_PREFIX = "PYICEBERG_CATALOG__LAKE__"


@dataclass(frozen=True)
class TrinoLake:
    """Values that `docker/trino/start.sh` needs for a lake.

    Attributes
    ----------
    variables
        Environment variables, without secrets.
    secrets
        Contents of the secret files, by file.
    """

    variables: dict[str, str]
    secrets: dict[str, str] = field(repr=False)


def trino_lake(environment: Mapping[str, str]) -> TrinoLake:
    """Return the same lake for Trino. Its Postgres also contains the reference tables, in their own schema."""
    lake = {name.removeprefix(_PREFIX): value for name, value in environment.items() if name.startswith(_PREFIX)}
    variables = {"TRINO_LAKE_WAREHOUSE": lake["WAREHOUSE"], **_store(lake)}
    secrets = {
        "s3_access_key": lake.get("S3__ACCESS_KEY_ID", ""),
        "s3_secret_key": lake.get("S3__SECRET_ACCESS_KEY", ""),
    }
    if lake["TYPE"] == "rest":
        # no reference tables: Trino does not connect to a catalog that is never queried
        reference = {"TRINO_REFERENCE_URL": "jdbc:postgresql://127.0.0.1/none", "TRINO_REFERENCE_USER": "none"}
        catalog = {"TRINO_LAKE_CATALOG": "rest", "TRINO_LAKE_URL": lake["URI"]}
        nobody = dict.fromkeys(("lake_password", "reference_password"), "")
        return TrinoLake({**variables, **catalog, **reference}, {**secrets, **nobody})
    address = make_url(lake["URI"])
    assert address.username is not None
    assert address.password is not None
    url = f"jdbc:postgresql://{address.host}:{address.port}/{address.database}"
    catalog = {"TRINO_LAKE_CATALOG": "jdbc", "TRINO_LAKE_URL": url, "TRINO_LAKE_USER": address.username}
    reference = {"TRINO_REFERENCE_URL": url, "TRINO_REFERENCE_USER": address.username}
    passwords = dict.fromkeys(("lake_password", "reference_password"), str(address.password))
    return TrinoLake({**variables, **catalog, **reference}, {**secrets, **passwords})


def _store(lake: Mapping[str, str]) -> dict[str, str]:
    if not lake["WAREHOUSE"].startswith("s3://"):
        return {"TRINO_LAKE_STORE": "folder"}
    return {
        "TRINO_LAKE_STORE": "s3",
        "TRINO_S3_ENDPOINT": lake["S3__ENDPOINT"],
        "TRINO_S3_REGION": lake["S3__REGION"],
        "TRINO_S3_PATH_STYLE": "false" if lake.get("S3__FORCE_VIRTUAL_ADDRESSING") == "true" else "true",
    }
