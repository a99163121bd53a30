"""The project's files that a dbt node is made of: its own file, its YAML file, and those of the macros it calls."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any


def changed_file(manifest: Mapping[str, Any], unique_id: str, changed: Collection[str]) -> str:
    """Return the first of a node's files that is among the changed files. Empty if there is none."""
    if not changed:
        return ""
    return next((file for file in _files(manifest, unique_id, set()) if file in changed), "")


def _files(manifest: Mapping[str, Any], unique_id: str, seen: set[str]) -> Iterator[str]:
    seen.add(unique_id)
    node = manifest["nodes"].get(unique_id) or manifest["macros"].get(unique_id) or {}
    yield str(node.get("original_file_path", ""))
    yield str(node.get("patch_path") or "").partition("://")[2]
    for macro in node.get("depends_on", {}).get("macros", []):
        # dbt's own macros have the same paths in every project
        if macro not in seen and macro.split(".")[1] == manifest["metadata"]["project_name"]:
            yield from _files(manifest, macro, seen)
