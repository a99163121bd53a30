"""A REST catalog that is said to commit together: a poll is one request for all of its tables.

The test server checks all tables first and then commits table by table, so this does not test that it is atomic.
"""

from typing import Any

import pytest
import requests
from pyiceberg.catalog import Catalog
from requests import PreparedRequest, Response

from foss_platform.errors import ConfigurationError
from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.connect.rest import BoundedAdapter
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import load_table
from foss_platform.validation.results import Status
from foss_platform.validation.suite import validate
from foss_platform.validation.trial import new_trial
from foss_platform_tests.faults.injection.polling import BRONZE
from foss_platform_tests.services.lake.polling import ingest, is_in_once
from foss_platform_tests.services.lakes import Kind, Lake

pytestmark = pytest.mark.parametrize("kind", [Kind.REST_MINIO], indirect=True)


@pytest.fixture
def catalog(lake: Lake, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    monkeypatch.setenv("PYICEBERG_CATALOG__LAKE__COMMITS_TOGETHER", "true")
    catalog = open_catalog(lake.settings)
    ingest(catalog, feed, 0)
    return catalog


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the requests that change something."""
    paths: list[str] = []
    send = BoundedAdapter.send

    def noted(adapter: BoundedAdapter, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:
        if request.method == "POST":
            paths.append(request.path_url)
        return send(adapter, request, *arguments, **options)

    monkeypatch.setattr(BoundedAdapter, "send", noted)
    return paths


def test_a_poll_is_one_request(lake: Lake, catalog: Catalog, feed: Feed, sent: list[str]) -> None:
    ingest(catalog, feed, 1)
    assert [path.rpartition("/v1/")[2] for path in sent] == ["transactions/commit"]
    is_in_once(lake, feed, 2)


def test_a_conflict_is_planned_again(
    lake: Lake, catalog: Catalog, feed: Feed, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = open_catalog(lake.settings)
    name = TableName(*BRONZE.split("."))
    switch = type(catalog).switch  # type: ignore[attr-defined]

    def overtaken(*arguments: Any) -> Any:
        monkeypatch.setattr(type(catalog), "switch", switch)
        table = load_table(other, name)
        table.append(table.scan().to_arrow().slice(0, 0))
        return switch(*arguments)

    monkeypatch.setattr(type(catalog), "switch", overtaken)
    ingest(catalog, feed, 1)
    assert [path.rpartition("/")[2] for path in sent].count("commit") == 2
    is_in_once(lake, feed, 2)


def test_a_server_without_the_request_is_named(
    lake: Lake, catalog: Catalog, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = requests.Session.post

    def missing(session: requests.Session, url: str, *arguments: Any, **options: Any) -> Response:
        return post(session, url.replace("transactions/commit", "no/such/request"), *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(requests.Session, "post", missing)
        with pytest.raises(ConfigurationError, match=r"refused a commit of several tables \(HTTP 4\d\d\)") as refused:
            ingest(catalog, feed, 1)
        assert "remove the property commits-together" in refused.value.remedy
    ingest(catalog, feed, 1)
    is_in_once(lake, feed, 2)


@pytest.mark.parametrize("together", ["true", "false"])
def test_the_guarantee_is_told(lake: Lake, monkeypatch: pytest.MonkeyPatch, together: str) -> None:
    monkeypatch.setenv("PYICEBERG_CATALOG__LAKE__COMMITS_TOGETHER", together)
    found = next(result for result in validate(new_trial(lake.settings)) if result.name == "polls_are_atomic")
    assert found.status is Status.PASSED
    assert ("one by one" in found.detail) == (together == "false")
