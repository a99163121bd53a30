"""The questions as files, and the document that shows them. Not here: asking them of a lake, or pictures."""

import re
from pathlib import Path

from foss_platform.settings import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "docs" / "analytics"
DOCUMENT = PROJECT_ROOT / "docs" / "ANALYTICS.md"
QUESTIONS = tuple(sorted(path.stem for path in FOLDER.glob("*.sql")))

# the command that asks a question, and the text that it asks, which is the file's
_SHOWN = re.compile(r"(foss sql [^\n]*-F docs/analytics/(\w+)\.sql\n```\n\n```sql\n)(.*?)(?=```)", re.DOTALL)


def query(question: str) -> str:
    """The SQL of a question."""
    return path_of(question).read_text()


def path_of(question: str) -> Path:
    """The file of a question."""
    return FOLDER / f"{question}.sql"


def shown(document: str) -> dict[str, str]:
    """By question, the SQL that a document shows of it."""
    return {question: text for _, question, text in _SHOWN.findall(document)}


def with_queries(document: str) -> str:
    """The document with each question's SQL as its file has it now."""
    return _SHOWN.sub(lambda found: found[1] + query(found[2]), document)
