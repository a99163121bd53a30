"""A hash of the logic that builds a table."""

import hashlib
from collections.abc import Mapping
from typing import Any

from foss_platform.engine import Engine

#: The macro packages of dbt and its adapters. They are not hashed here: another version of them causes a new parse.
_DBTS_OWN = frozenset({"dbt", *(f"dbt_{engine}" for engine in Engine)})


def logic_hash(manifest: Mapping[str, Any], unique_id: str) -> str:
    """Return a hash of the code, macros, seed rows and variables of a dbt node and of all its upstream nodes.

    Parameters
    ----------
    manifest
        The content of dbt's `manifest.json`.
    unique_id
        The node, such as `model.lakehouse.parking_readings`.
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
    """Return a dispatched macro's variants for all engines, so that the hash does not depend on the engine."""
    return [f"macro.{macro['package_name']}.{engine}__{macro['name']}" for engine in Engine]
