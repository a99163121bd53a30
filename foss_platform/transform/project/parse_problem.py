"""Why a dbt project does not parse, with the file and line, found in dbt's message."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from foss_platform.transform.project.files import PROJECT_FILE

_FILE = re.compile(r"[\w./-]+\.(?:sql|ya?ml|csv|py|md)\b")
_LINE = re.compile(r"\bline (\d+)")
_QUOTED = re.compile(r"['\"`]([^'\"`\n]+)['\"`]")


@dataclass(frozen=True)
class ParseProblem:
    """Why the project does not parse: dbt's message, and the file (relative to the project) and line of the problem."""

    text: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"The dbt project does not parse ({self.file}:{self.line}): {self.text}."


def parse_problem(error: BaseException, project: Path, copy: Path, changed: Collection[str]) -> ParseProblem:
    """Return the problem that dbt's error describes.

    Parameters
    ----------
    project
        The project's folder.
    copy
        The folder of the copy that dbt has read. dbt's message may contain this path.
    changed
        The files that have changed since the project last parsed. If dbt names no file, as for a broken macro, and only
        one file has changed, this file is the cause.
    """
    text = str(error).replace(f"{copy}/", "").replace(str(copy), str(project))
    # dbt quotes the file after a row of dashes, so keep only the text before it
    lines = [line.strip() for line in re.split(r"\s-{5,}", text)[0].splitlines() if line.strip()]
    file = _file(project, text) or (min(changed) if len(changed) == 1 else PROJECT_FILE)
    said = _LINE.search(text)
    return ParseProblem(" ".join(lines[:4]).rstrip("."), file, int(said[1]) if said else _line(project / file, text))


def _file(project: Path, text: str) -> str:
    """Return the project's file that the text names. dbt gives the path in the project or in its models folder.

    Empty if the text names no file.
    """
    for name in _FILE.findall(text):
        if (project / name).is_file():
            return str(name)
        if found := sorted(project.rglob(name)) if not name.startswith("/") else []:
            return found[0].relative_to(project).as_posix()
    return ""


def _line(file: Path, text: str) -> int:
    """Return the first line of the file that contains one of the names that dbt quotes, else 1."""
    names = [name for name in _QUOTED.findall(text) if not name.endswith(file.name)]
    lines = file.read_text(errors="replace").splitlines() if file.is_file() else []
    for name in reversed(names):
        for number, line in enumerate(lines, start=1):
            if name.rpartition(".")[2] in line:
                return number
    return 1
