"""Reads the project's pages without Dagster, for replay, status, completion and `foss check`."""

from typing import TYPE_CHECKING

from foss_platform.errors import ConfigurationError
from foss_platform.settings import load_settings

if TYPE_CHECKING:
    from foss_platform.ingest.page.feed import Feed
    from foss_platform.ingest.page.read_pages import Page


def all_pages() -> "list[Page]":
    """Return every page of the project, including broken pages."""
    from foss_platform.ingest.page.read_pages import read_pages

    return read_pages(load_settings().defs_folder)


def feeds() -> "dict[str, Feed]":
    """Return the feed of every usable page, with the pipeline's name as its key."""
    return {feed.name: feed for page in all_pages() for feed in page.feeds}


def find_feed(name: str) -> "Feed":
    """Return the feed with this name.

    Raises
    ------
    ConfigurationError
        If no page describes it, or if its page is broken.
    """
    pages = all_pages()
    known = {feed.name: feed for page in pages for feed in page.feeds}
    if name in known:
        return known[name]
    for page in pages:
        if page.problems and name in (page.folder, *page.names):
            problems = " ".join(str(problem) for problem in page.problems)
            raise ConfigurationError(
                f"The page of {name} is broken: {problems}", "Run `foss check` after the correction."
            )
    raise ConfigurationError(
        f"There is no pipeline {name!r}.", f"Known pipelines: {', '.join(sorted(known)) or 'none yet'}."
    )


def complete_pipeline(incomplete: str) -> list[str]:
    """Return the pipelines whose name begins with `incomplete`, for shell completion. None outside of a project."""
    try:
        known = feeds()
    except ConfigurationError:
        # the command itself reports this error, so offer no completion
        return []
    return [name for name in sorted(known) if name.startswith(incomplete)]
