"""The asset that represents a broken page in the graph, so that the problem is visible."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import dagster as dg

#: Asset tag of every broken page.
BROKEN_TAG = "foss/broken"


def broken_page(folder: str, problems: Sequence[str]) -> dg.Definitions:
    """Return an asset named after the page's folder. The asset describes the problems, and fails if materialized.

    Parameters
    ----------
    folder
        The page's folder, relative to `defs`.
    problems
        One sentence or two for each problem, with file, line and remedy.
    """
    names = [re.sub(r"[^A-Za-z0-9_]", "_", part) for part in PurePosixPath(folder).parts]
    text = "\n".join(problems)

    @dg.asset(
        key=dg.AssetKey(names),
        group_name="_".join(names),
        kinds={"yaml"},
        tags={BROKEN_TAG: "true"},
        description="This page is broken, and its assets are not loaded.\n\n"
        + "\n".join(f"- {one}" for one in problems),
    )
    def broken() -> None:
        raise dg.Failure(f"The page {folder} is broken. {text}", allow_retries=False)

    return dg.Definitions(assets=[broken])
