"""Draws the pictures of docs/ANALYTICS.md and updates its SQL: `python -m foss_platform_tests.analytics`.

Loads the real month (../shared/data, or the given file) into a temporary lake, which takes two to five minutes.
`--text` updates only the SQL.
"""

import argparse
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from foss_platform.lake.query.query import ask
from foss_platform.settings import Settings
from foss_platform_tests.analytics.drawing import save
from foss_platform_tests.analytics.month import Month, make_month
from foss_platform_tests.analytics.pictures import PICTURES, TRAVELS
from foss_platform_tests.analytics.questions import DOCUMENT, FOLDER, query, with_queries
from foss_platform_tests.tools.make_excerpt import RECORDING


def main() -> None:
    """Run the command described in the module docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", nargs="?", type=Path, default=RECORDING)
    parser.add_argument("--text", action="store_true", help="update the SQL in the document without drawing pictures")
    given = parser.parse_args()
    DOCUMENT.write_text(with_queries(DOCUMENT.read_text()))
    if given.text:
        return
    with tempfile.TemporaryDirectory() as home:
        draw_all(make_month(Settings(home=Path(home)), given.recording))


def draw_all(month: Month) -> None:
    """Run each query and draw its answer beside the query's file."""
    for question, draw in PICTURES.items():
        rows = answer(month, question)
        before = answer(month, question, month.after_first_go) if question in TRAVELS else []
        save(FOLDER / f"{question}.png", draw, rows, before)


def answer(month: Month, question: str, at: datetime | None = None) -> list[dict[str, Any]]:
    """Return the answer's rows on DuckDB, for the current state or as of the given time."""
    return ask(month.settings, month.catalog, query(question), at).reader.read_all().to_pylist()


if __name__ == "__main__":
    main()
