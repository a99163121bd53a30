"""Finds the file and line that decide something in a dbt project. The manifest does not contain them."""

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

#: Returns the text of a project file, given its path in the project. Empty if it cannot be read.
TextOf = Callable[[str], str]


def place(node: Mapping[str, Any], word: str, text_of: TextOf) -> tuple[str, int]:
    """Return the first file and line that contain the word: in the node's file, its YAML file or the project file."""
    own = str(node["original_file_path"])
    page = str(node.get("patch_path") or "").partition("://")[2]
    for file in (own, page):
        is_own = file == own and PurePosixPath(file).suffix in (".sql", ".py")
        if file and (line := _line(text_of(file), word, "" if is_own else str(node["name"]))):
            return file, line
    if line := _line(text_of("dbt_project.yml"), word, ""):
        return "dbt_project.yml", line
    return own, 1


def _line(text: str, word: str, after: str) -> int:
    """Return the number of the first line with a word, starting at the line that contains `after`. 0 if not found."""
    begun = not after
    for number, line in enumerate(text.splitlines(), start=1):
        begun = begun or re.search(rf"\bname:\s*['\"]?{re.escape(after)}\b", line) is not None
        if begun and word in line:
            return number
    return 0
