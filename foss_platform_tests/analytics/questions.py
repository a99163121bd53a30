"""The SQL files of the questions, and the document that shows them."""

import re
from pathlib import Path

from foss_platform_tests.repository import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "docs" / "analytics"
DOCUMENT = PROJECT_ROOT / "docs" / "ANALYTICS.md"
QUESTIONS = tuple(sorted(path.stem for path in FOLDER.glob("*.sql")))

# the command that runs a query, followed by the SQL, which equals the file
_SHOWN = re.compile(r"(foss sql [^\n]*-F docs/analytics/(\w+)\.sql\n```\n\n```sql\n)(.*?)(?=```)", re.DOTALL)


def query(question: str) -> str:
    """Return the SQL of a question."""
    return path_of(question).read_text()


def path_of(question: str) -> Path:
    """Return the path of a question's file."""
    return FOLDER / f"{question}.sql"


def shown(document: str) -> dict[str, str]:
    """Return the SQL that a document shows, by question."""
    return {question: text for _, question, text in _SHOWN.findall(document)}


def with_queries(document: str) -> str:
    """Return the document with each question's SQL updated from its file."""
    return _SHOWN.sub(lambda found: found[1] + query(found[2]), document)
