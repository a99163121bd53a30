"""The pipelines that the pages in `defs/` describe, read without Dagster: for replay, status and completion."""

from pathlib import Path

from foss_platform.errors import ConfigurationError
from foss_platform.ingest.page.feed import Feed

_FEED_COMPONENT = "foss_platform.components.rest_feed.RestFeed"
_DEFS = Path(__file__).resolve().parents[2] / "defs"


def feeds() -> dict[str, Feed]:
    """By name, every feed that a page describes.

    Raises
    ------
    ConfigurationError
        Naming the page that cannot be read, and what is wrong with it.
    """
    import yaml
    from pydantic import ValidationError

    found: dict[str, Feed] = {}
    for page in sorted(_DEFS.glob("*/defs.yaml")):
        try:
            documents = [doc for doc in yaml.safe_load_all(page.read_text()) if doc]
            pages = [
                Feed.model_validate(doc.get("attributes")) for doc in documents if doc.get("type") == _FEED_COMPONENT
            ]
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, i['loc']))}: {i['msg']}" for i in error.errors())
            raise ConfigurationError(f"The page {page.parent.name}/{page.name} is wrong: {problems}.") from None
        except yaml.YAMLError as error:
            raise ConfigurationError(f"The page {page.parent.name}/{page.name} is no YAML: {error}") from None
        found.update({feed.name: feed for feed in pages})
    return found


def find_feed(name: str) -> Feed:
    """The feed of that name.

    Raises
    ------
    ConfigurationError
        When no page describes it; names those that there are.
    """
    known = feeds()
    if name not in known:
        raise ConfigurationError(f"There is no pipeline {name!r}.", f"There is: {', '.join(sorted(known))}.")
    return known[name]


def complete_pipeline(incomplete: str) -> list[str]:
    """For the shell's completion."""
    return [name for name in sorted(feeds()) if name.startswith(incomplete)]
