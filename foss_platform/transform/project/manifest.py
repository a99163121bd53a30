"""dbt's manifest of the project, and the part of the project that can be built."""

import json
from collections.abc import Mapping
from typing import Any

from foss_platform.settings import Settings
from foss_platform.transform.project.parsed import ParsedProject, prepare_project
from foss_platform.transform.supported.supported_dbt import Subset, supported_subset


def read_manifest(settings: Settings) -> dict[str, Any]:
    """Return the manifest of the prepared project. Raises the errors of `prepare_project`."""
    return manifest_of(prepare_project(settings))


def manifest_of(project: ParsedProject) -> dict[str, Any]:
    """Return the manifest of a parsed copy."""
    manifest: dict[str, Any] = json.loads(project.manifest_file.read_text())
    return manifest


def read_subset(project: ParsedProject, manifest: Mapping[str, Any]) -> Subset:
    """Return the part of the project that can be built, with lines of its files for messages.

    A node is held back if its files have changed since the project last parsed.
    """
    lines: dict[str, str] = {}

    def text_of(file: str) -> str:
        if file not in lines:
            try:
                lines[file] = (project.files / file).read_text(errors="replace")
            except OSError:
                # the file belongs to a package, which is stored elsewhere: find no lines in it
                lines[file] = ""
        return lines[file]

    return supported_subset(manifest, text_of, project.changed)
