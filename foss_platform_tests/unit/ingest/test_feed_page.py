"""Validation of a feed's page: each mistake is reported with the key it concerns."""

import copy
from typing import Any

import pytest
from pydantic import ValidationError

from foss_platform.errors import ConfigurationError
from foss_platform.ingest.page.feed import Feed, FieldType

PAGE: dict[str, Any] = {
    "name": "city_parking",
    "description": "Free spaces.",
    "owners": ["team:x"],
    "cadence": "*/2 * * * *",
    "source": {"url": "https://example.com/parking.json", "url_variable": "CITY_PARKING_URL"},
    "contract": [{"name": "at"}, {"name": "free", "type": "int", "required": False}],
    "time": {"fields": ["at"]},
}


def page_with(path: str, value: Any) -> dict[str, Any]:
    """Return the page with one value changed. `path` consists of keys and list positions, joined by dots."""
    page = copy.deepcopy(PAGE)
    *parents, last = path.split(".")
    part: Any = page
    for key in parents:
        part = part[int(key)] if isinstance(part, list) else part.setdefault(key, {})
    part[int(last) if isinstance(part, list) else last] = value
    return page


def problem_of(page: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        Feed.model_validate(page)
    return str(caught.value)


def test_valid_page_names_its_tables() -> None:
    feed = Feed.model_validate(PAGE)
    assert (str(feed.bronze), str(feed.rejected)) == ("bronze.city_parking", "bronze.city_parking__rejected")
    assert feed.contract[0].type is FieldType.STRING
    assert feed.limits.rows.minimum == 1


@pytest.mark.parametrize(
    "path", ["colour", "source.uri", "contract.1.typ", "time.timezone", "limits.row", "limits.rows.max"]
)
def test_an_unknown_key_is_named(path: str) -> None:
    problem = problem_of(page_with(path, 1))
    assert path in problem
    assert "Extra inputs are not permitted" in problem


@pytest.mark.parametrize("key", ["name", "description", "owners", "cadence", "source", "contract", "time"])
def test_a_missing_key_is_named(key: str) -> None:
    page = copy.deepcopy(PAGE)
    del page[key]
    assert f"{key}\n  Field required" in problem_of(page)


@pytest.mark.parametrize(
    "name",
    ["", "City", "1city", "_city", "city__parking", "city.parking", "city-parking", 'ci"ty', "ci'ty", "ci`ty", "cïty"]
    + ["city parking", "city\n", "city;drop table x", "../city", "city/parking", "x" * 64],
)
def test_name_that_is_not_a_valid_table_name_is_refused(name: str) -> None:
    assert "a pipeline's name has only lower-case letters, digits and single _" in problem_of(page_with("name", name))


@pytest.mark.parametrize("name", ["build", "maintenance", "shared", "no_pipeline", "ops"])
def test_a_name_of_the_platform_is_refused(name: str) -> None:
    assert "is the name of a job or group of the platform" in problem_of(page_with("name", name))


@pytest.mark.parametrize(
    "name",
    ["", "1st", "_polled_at", "a.b", "a b", "a-b", 'a"b', "a'b", "a`b", "a\n", "a\x00b", 'x"; drop table y; --', "a,b"]
    + ["\ufeffa", "a\u0301" + "\u200d", "x" * 129, "$a", "@a"],
)
def test_field_name_that_is_not_a_valid_column_name_is_refused(name: str) -> None:
    problem = problem_of(page_with("contract.1.name", name))
    assert "cannot be a column" in problem
    assert "contract.1.name" in problem


@pytest.mark.parametrize("name", ["Dato", "Antall_ledige_plasser", "select", "år", "x" * 128])
def test_ordinary_field_names_are_accepted(name: str) -> None:
    assert Feed.model_validate(page_with("contract.1.name", name)).contract[1].name == name


@pytest.mark.parametrize("name", ["at", "AT", "At"])
def test_a_field_named_twice_is_named(name: str) -> None:
    problem = problem_of(page_with("contract.1.name", name))
    assert "occur twice" in problem
    assert name in problem


@pytest.mark.parametrize("type_", ["strin", "String", "number", "", None, "timestamp"])
def test_an_unknown_type_is_named(type_: Any) -> None:
    assert "contract.1.type" in problem_of(page_with("contract.1.type", type_))


@pytest.mark.parametrize("fields", [["on"], ["at", "on"], ["free"], ["AT"]])
def test_time_fields_must_be_required_strings_of_the_contract(fields: list[str]) -> None:
    problem = problem_of(page_with("time.fields", fields))
    assert f"time.fields: {fields[-1]} must be required string fields of the contract" in problem


def test_an_optional_time_field_is_refused() -> None:
    assert "time.fields: at must be" in problem_of(page_with("contract.0.required", False))


@pytest.mark.parametrize("path", ["time.fields", "contract", "owners"])
def test_an_empty_list_is_refused(path: str) -> None:
    assert path in problem_of(page_with(path, []))


@pytest.mark.parametrize("zone", ["Europe/Olso", "europe/oslo ", "+01:00", "CEST", "../UTC", "/etc/passwd", ""])
def test_an_unknown_zone_is_named(zone: str) -> None:
    assert f"{zone!r} is not an IANA time zone" in problem_of(page_with("time.zone", zone))


@pytest.mark.parametrize(
    "url",
    ["", "example.com/x", "//example.com", "ftp://example.com", "file:///etc/passwd", "http://", "http:///x"]
    + ["javascript:alert(1)", "http://u:p@/x", "http://[::1", "http://example.com:99999/", "http://example.com:x/"],
)
def test_url_that_is_not_http_is_refused(url: str) -> None:
    assert "source.url" in problem_of(page_with("source.url", url))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("source.timeout_seconds", 0),
        ("source.timeout_seconds", 301),
        ("source.timeout_seconds", float("inf")),
        ("source.timeout_seconds", float("nan")),
        ("source.tries", 0),
        ("source.tries", 11),
        ("source.max_bytes", 0),
        ("source.max_bytes", 10**10),
        ("time.ahead_minutes", -1),
        ("time.ahead_minutes", float("inf")),
        ("time.ahead_minutes", 1e300),
        ("limits.frozen_after_minutes", 0),
        ("limits.frozen_after_minutes", float("inf")),
        ("limits.late_after_minutes", float("nan")),
        ("limits.rows.minimum", 0),
        ("format", "xml"),
    ],
)
def test_a_value_out_of_bounds_is_named(path: str, value: Any) -> None:
    assert path in problem_of(page_with(path, value))


def test_a_minimum_above_the_maximum_is_named() -> None:
    assert "rows: minimum 5 is above maximum 4" in problem_of(page_with("limits.rows", {"minimum": 5, "maximum": 4}))


def test_several_mistakes_are_named_at_once() -> None:
    page = page_with("time.zone", "Nowhere")
    page["source"] = {"url": "ftp://x", "tries": 99}
    problem = problem_of(page)
    assert all(thing in problem for thing in ("time.zone", "source.url", "source.tries"))


def test_variable_overrides_the_url_if_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Feed.model_validate(PAGE).source
    monkeypatch.setenv("CITY_PARKING_URL", "")
    assert source.effective_url() == "https://example.com/parking.json"
    monkeypatch.setenv("CITY_PARKING_URL", "http://127.0.0.1:1/x")
    assert source.effective_url() == "http://127.0.0.1:1/x"


@pytest.mark.parametrize(
    "url", ["ftp://me:secret@example.com", "http://me:secret@example.com:99999/", "secret", "http://[secret"]
)
def test_bad_variable_is_reported_without_its_value(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("CITY_PARKING_URL", url)
    with pytest.raises(ConfigurationError, match="CITY_PARKING_URL is not an http or https URL") as caught:
        Feed.model_validate(PAGE).source.effective_url()
    assert "secret" not in str(caught.value)
