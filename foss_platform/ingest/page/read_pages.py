"""Reads all pages of a project without Dagster: the feeds that they describe, and the problems of broken pages.

Every page is read and every problem is reported, so a broken page does not hide the others.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.page.operations import DbtModelsPage, OperationsPage, PlatformHealthPage
from foss_platform.ingest.page.problems import PageProblem, did_you_mean, problems_of
from foss_platform.ingest.page.yaml_nodes import place_of, repeated_keys

PAGE_FILE = "defs.yaml"

_COMPONENTS = "foss_platform.components."
FEED_TYPE = f"{_COMPONENTS}rest_feed.RestFeed"


#: The platform's components, each with the model of its attributes.
_MODELS: Mapping[str, type[BaseModel]] = {
    FEED_TYPE: Feed,
    f"{_COMPONENTS}dbt_models.DbtModels": DbtModelsPage,
    f"{_COMPONENTS}operations.Operations": OperationsPage,
    f"{_COMPONENTS}platform_health.PlatformHealth": PlatformHealthPage,
}
# https://docs.dagster.io/guides/build/components: the keys of a component's YAML file
_PAGE_KEYS = ("type", "attributes", "template_vars_module", "requirements", "post_processing")


@dataclass(frozen=True)
class Page:
    """A page file.

    Attributes
    ----------
    folder
        Path relative to `defs`, in POSIX form. It identifies the page.
    file
        Path relative to the project, as shown to users: `defs/city_parking/defs.yaml`.
    feeds
        The feeds on the page. Empty for other components and for a broken page.
    name_lines
        The line of each feed's `name`.
    names
        The pipeline names on the page, even if the page is broken.
    problems
        Why the page cannot be used. Empty if it can be used.
    """

    folder: str
    file: str
    feeds: tuple[Feed, ...] = ()
    name_lines: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    problems: tuple[PageProblem, ...] = ()


def read_pages(defs: Path) -> list[Page]:
    """Return every page below the folder `defs`, in the order of their folders.

    The list includes broken pages, with their problems. If two pages have the same pipeline name, the later one is
    broken. If only the later one is in a folder of that name, the earlier one is broken instead.
    """
    files = sorted(defs.rglob(PAGE_FILE))
    return _without_duplicates([_read(defs, file) for file in files])


def _read(defs: Path, file: Path) -> Page:
    folder, shown = file.parent.relative_to(defs).as_posix(), file.relative_to(defs.parent).as_posix()
    problems: list[PageProblem] = []
    above = next((parent for parent in file.parent.parents if (parent / PAGE_FILE).exists()), None)
    if above is not None and above.is_relative_to(defs):
        shadow = above.relative_to(defs).as_posix()
        problems.append(
            PageProblem(
                shown,
                1,
                "",
                f"Dagster does not look for pages below another page ({shadow}).",
                "Move this page to a folder outside of that one.",
            )
        )
    try:
        text = file.read_text(encoding="utf-8")
        documents = [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node is not None]
        values = [value for value in yaml.safe_load_all(text) if value is not None]
    except yaml.YAMLError as error:
        return Page(folder, shown, problems=(*problems, _not_yaml(error, shown)))
    except UnicodeDecodeError as error:
        problem = PageProblem(shown, 1, "", f"The file is not UTF-8 text ({error.reason}).", "Save it as UTF-8.")
        return Page(folder, shown, problems=(*problems, problem))
    if not documents:
        remedy = "Write `type` and `attributes`, or delete the file."
        problems.append(PageProblem(shown, 1, "", "The page is empty.", remedy))
    feeds: list[Feed] = []
    lines: list[int] = []
    for document, value in zip(documents, values, strict=True):
        feed, found = _judge(document, value, shown)
        problems += found
        if feed is not None:
            feeds.append(feed)
            lines.append(place_of(document, ["attributes", "name"]).line)
    names = tuple(_names(values))
    if problems:
        return Page(folder, shown, names=names, problems=tuple(problems))
    return Page(folder, shown, tuple(feeds), tuple(lines), names)


def _names(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        attributes = value.get("attributes") if isinstance(value, dict) else None
        if isinstance(attributes, dict) and isinstance(attributes.get("name"), str):
            yield attributes["name"]


def _judge(document: yaml.Node, value: Any, shown: str) -> tuple[Feed | None, list[PageProblem]]:
    problems = [
        PageProblem(shown, line, key, "This key is written twice.", "Remove one of them.")
        for key, line in repeated_keys(document)
    ]
    if not isinstance(value, dict):
        found = PageProblem(
            shown, place_of(document, ()).line, "", "The page is not a mapping.", "Begin it with `type:`."
        )
        return None, [*problems, found]
    for key in value:
        if key not in _PAGE_KEYS:
            line = place_of(document, [key]).line
            problems.append(
                PageProblem(shown, line, str(key), "This key is not known here.", did_you_mean(str(key), _PAGE_KEYS))
            )
    kind = value.get("type")
    if not isinstance(kind, str):
        line = place_of(document, ["type"]).line
        return None, [
            *problems,
            PageProblem(shown, line, "type", "This key is required.", f"Use {FEED_TYPE} for a REST feed."),
        ]
    model = _MODELS.get(kind)
    if model is None:
        if kind.startswith("foss_platform."):
            line = place_of(document, ["type"]).line
            problem = f"The component {kind!r} does not exist."
            problems.append(PageProblem(shown, line, "type", problem, did_you_mean(kind, sorted(_MODELS))))
        return None, problems
    if problems and "attributes" not in value:
        return None, problems
    try:
        page = model.model_validate(value.get("attributes") or {})
    except ValidationError as error:
        return None, problems + problems_of(error, model, document, shown, ["attributes"])
    return page if isinstance(page, Feed) else None, problems


def _not_yaml(error: yaml.YAMLError, shown: str) -> PageProblem:
    mark = getattr(error, "problem_mark", None)
    text = str(getattr(error, "problem", None) or error).strip()
    line = mark.line + 1 if mark is not None else 1
    return PageProblem(shown, line, "", f"This is not YAML: {text}.", "Check the indentation, colons and quotes.")


def _without_duplicates(pages: list[Page]) -> list[Page]:
    owners: dict[str, Page] = {}
    for page in pages:
        for feed in page.feeds:
            owner = owners.get(feed.name)
            if owner is None or (page.folder == feed.name and owner.folder != feed.name):
                owners[feed.name] = page
    return [_judged_against(page, owners) for page in pages]


def _judged_against(page: Page, owners: Mapping[str, Page]) -> Page:
    names = [feed.name for feed in page.feeds]
    problems = tuple(
        PageProblem(
            page.file,
            line,
            "name",
            f"The pipeline {name!r} is also described in {owners[name].file}.",
            "Choose another name.",
        )
        for position, (name, line) in enumerate(zip(names, page.name_lines, strict=True))
        if owners[name] is not page or name in names[:position]
    )
    return replace(page, feeds=(), name_lines=(), problems=problems) if problems else page
