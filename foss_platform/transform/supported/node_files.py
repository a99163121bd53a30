"""The project's files that define a dbt node: its own file, its YAML file, and the files of macros that it calls."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any


def changed_file(manifest: Mapping[str, Any], unique_id: str, changed: Collection[str]) -> str:
    """Return the first of a node's files that has changed. Empty if none of its files has changed."""
    if not changed:
        return ""
    return next((file for file in _files(manifest, unique_id, set()) if file in changed), "")


def _files(manifest: Mapping[str, Any], unique_id: str, seen: set[str]) -> Iterator[str]:
    seen.add(unique_id)
    node = manifest["nodes"].get(unique_id) or manifest["macros"].get(unique_id) or {}
    yield str(node.get("original_file_path", ""))
    yield str(node.get("patch_path") or "").partition("://")[2]
    for macro in node.get("depends_on", {}).get("macros", []):
        # a macro of dbt or of a package may have the same path as a project's file, so only the project's macros count
        if macro not in seen and macro.split(".")[1] == manifest["metadata"]["project_name"]:
            yield from _files(manifest, macro, seen)
