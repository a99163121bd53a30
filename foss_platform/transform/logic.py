"""What logic a table was built with, as one hash. Not here: deciding what to do when it differs."""

import hashlib
from collections.abc import Mapping
from typing import Any

from foss_platform.engine import Engine

#: Packages of macros that come with dbt and its adapters: their versions decide when the project is parsed anew.
_DBTS_OWN = frozenset({"dbt", *(f"dbt_{engine}" for engine in Engine)})


def logic_hash(manifest: Mapping[str, Any], unique_id: str) -> str:
    """A hash of a dbt node's code, the macros it calls, its seeds' rows, the variables, and all that lies upstream.

    Parameters
    ----------
    manifest
        dbt's `manifest.json` as read.
    unique_id
        The node, such as `model.foss_platform.parking_readings`.
    """
    digest = hashlib.sha256()
    for part in sorted(_parts(manifest, unique_id, set())):
        digest.update(part.encode())
    return digest.hexdigest()[:16]


def _parts(manifest: Mapping[str, Any], unique_id: str, seen: set[str]) -> set[str]:
    if unique_id in seen:
        return set()
    seen.add(unique_id)
    if unique_id in manifest["macros"]:
        macro = manifest["macros"][unique_id]
        if macro["package_name"] in _DBTS_OWN:
            return set()
        parts = {f"{unique_id}={macro['macro_sql']}"}
        upstream = [*macro["depends_on"].get("macros", []), *_dialects(manifest, macro)]
    elif unique_id in manifest["nodes"]:
        node = manifest["nodes"][unique_id]
        parts = {f"{unique_id}={node['checksum']['checksum']}"}
        upstream = [*node["depends_on"].get("nodes", []), *node["depends_on"].get("macros", [])]
    else:
        return set()
    for name in upstream:
        parts |= _parts(manifest, name, seen)
    return parts


def _dialects(manifest: Mapping[str, Any], macro: Mapping[str, Any]) -> list[str]:
    """A dispatched macro's form for each engine, so that a table's logic is the same whichever one built it."""
    return [f"macro.{macro['package_name']}.{engine}__{macro['name']}" for engine in Engine]
