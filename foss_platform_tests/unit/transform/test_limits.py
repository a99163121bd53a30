"""A limit that the page and the dbt project both use has one name and one value."""

import pytest
import yaml

from foss_platform.ingest.page.feed import Feed
from foss_platform_tests.repository import PROJECT_ROOT

VARIABLES = yaml.safe_load((PROJECT_ROOT / "dbt_project" / "dbt_project.yml").read_text())["vars"]


@pytest.mark.parametrize("name", ["frozen_after_minutes", "ahead_minutes"])
def test_page_and_models_have_the_same_limit(feed: Feed, name: str) -> None:
    limits = {**feed.limits.model_dump(), **feed.time.model_dump()}
    assert VARIABLES[name] == limits[name]
