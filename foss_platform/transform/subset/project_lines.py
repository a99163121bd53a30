"""Where in a dbt project something is decided: its file and line, which the manifest does not tell."""

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

#: Text of a file of the project, by its path in the project; empty if it cannot be read.
TextOf = Callable[[str], str]


def place(node: Mapping[str, Any], word: str, text_of: TextOf) -> tuple[str, int]:
    """The file and line that decide it: the node's file, its page or the project's, whichever has the word."""
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
    """The first line with a word, from the line on that has `after`; 0 if there is none."""
    begun = not after
    for number, line in enumerate(text.splitlines(), start=1):
        begun = begun or re.search(rf"\bname:\s*['\"]?{re.escape(after)}\b", line) is not None
        if begun and word in line:
            return number
    return 0
