"""Checking records against a contract: accepted and rejected values. A rejected record is kept in full."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foss_platform.ingest.formats.json_records import parse_body, to_json
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.records.contract import Accepted, Rejected, contract_judge
from foss_platform_tests.hypothesis_profile import ANY_JSON, ANY_TEXT

NOW = datetime(2020, 10, 24, 12, tzinfo=UTC)
AT = "2020-10-24T11:59:00Z"
TYPES = ("string", "int", "long", "float", "double", "boolean", "json")


def feed_of(*fields: dict[str, Any]) -> Feed:
    return Feed.model_validate(
        {
            "name": "made_up",
            "description": "Made up.",
            "owners": ["team:x"],
            "cadence": "* * * * *",
            "source": {"url": "http://localhost/"},
            "contract": [{"name": "at"}, *fields],
            "time": {"fields": ["at"]},
        }
    )


def judge_value(type_: str, value: Any, *, required: bool = True) -> Accepted | Rejected:
    judge = contract_judge(feed_of({"name": "v", "type": type_, "required": required}))
    return judge({"at": AT, "v": value}, NOW)


ALL_TYPES = contract_judge(feed_of(*({"name": name, "type": name, "required": False} for name in TYPES)))
ONE_STRING = contract_judge(feed_of())


@pytest.mark.parametrize(
    ("type_", "value", "stored"),
    [
        ("string", "", ""),
        ("string", "Å😀\x00", "Å😀\x00"),
        ("int", 2**31 - 1, 2**31 - 1),
        ("int", -(2**31), -(2**31)),
        ("long", 2**63 - 1, 2**63 - 1),
        ("long", -(2**63), -(2**63)),
        ("float", 3.4028234663852886e38, 3.4028234663852886e38),
        ("float", 7, 7.0),
        ("double", 1.7976931348623157e308, 1.7976931348623157e308),
        ("double", -(10**308), -1e308),
        ("boolean", False, False),
        ("json", {"b": [1, None], "a": "Å"}, '{"b":[1,null],"a":"Å"}'),
        ("json", False, "false"),
        ("json", 10**4000, "1" + "0" * 4000),
        ("json", "\ud800", '"\\ud800"'),
    ],
)
def test_valid_values_are_stored_unchanged(type_: str, value: Any, stored: Any) -> None:
    verdict = judge_value(type_, value)
    assert isinstance(verdict, Accepted)
    assert verdict.values == (AT, stored)
    assert type(verdict.values[1]) is type(stored)
    assert (verdict.unknown, verdict.data_time) == (None, datetime(2020, 10, 24, 11, 59, tzinfo=UTC))


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("string", 1),
        ("string", ["x"]),
        ("string", "\ud800"),
        ("int", 2**31),
        ("int", -(2**31) - 1),
        ("int", 1.0),
        ("int", True),
        ("int", "1"),
        ("long", 2**63),
        ("long", -(2**63) - 1),
        ("long", 10**4000),
        ("float", 3.5e38),
        ("float", True),
        ("float", "1.5"),
        ("double", 10**309),
        ("double", -(10**4000)),
        ("double", [1.0]),
        ("boolean", 0),
        ("boolean", "true"),
    ],
)
def test_invalid_value_rejects_the_whole_record_and_is_reported(type_: str, value: Any) -> None:
    verdict = judge_value(type_, value)
    assert isinstance(verdict, Rejected)
    assert verdict.reason == f"v is not of type {type_}"
    assert json.loads(verdict.record) == {"at": AT, "v": value}
    assert verdict.record.encode()


@pytest.mark.parametrize("type_", TYPES)
def test_null_and_absence_are_the_same(type_: str) -> None:
    for required in (True, False):
        judge = contract_judge(feed_of({"name": "v", "type": type_, "required": required}))
        for record in ({"at": AT}, {"at": AT, "v": None}):
            verdict = judge(record, NOW)
            if required:
                assert isinstance(verdict, Rejected)
                assert verdict.reason == "v is missing"
                assert json.loads(verdict.record) == record
            else:
                assert isinstance(verdict, Accepted)
                assert verdict.values == (AT, None)


@pytest.mark.parametrize("record", [None, True, 0, 1.5, "x", [], [{"at": AT}]])
def test_record_that_is_not_an_object_is_rejected(record: Any) -> None:
    assert ONE_STRING(record, NOW) == Rejected("not an object", to_json(record))


def test_a_repeated_key_is_refused_with_both_values() -> None:
    body = f'[{{"at":"{AT}","at":"{AT}x"}}]'
    assert ONE_STRING(parse_body(body.encode())[0], NOW) == Rejected("a key occurs twice", body[1:-1])


def test_repeated_nested_key_is_kept() -> None:
    record = parse_body(f'{{"at":"{AT}","more":{{"a":1,"a":2}}}}'.encode())
    verdict = ONE_STRING(record, NOW)
    assert isinstance(verdict, Accepted)
    assert verdict.unknown == '{"more":{"a":1,"a":2}}'


def test_unknown_fields_are_kept_and_a_missing_one_does_not_hide_them() -> None:
    optional = contract_judge(feed_of({"name": "v", "required": False}))
    for record in ({"at": AT, "w": 1}, {"at": AT, "v": None, "w": 1}):
        verdict = optional(record, NOW)
        assert isinstance(verdict, Accepted)
        assert verdict.unknown == '{"w":1}'


def test_field_names_are_case_sensitive() -> None:
    assert ONE_STRING({"AT": AT}, NOW) == Rejected("at is missing", f'{{"AT":"{AT}"}}')


@pytest.mark.parametrize("text", ["", "soon", "x" * 100_000, "2020-10-24T11:59:00Z\x00", "Å"])
def test_unreadable_time_is_rejected_with_a_short_message(text: str) -> None:
    verdict = ONE_STRING({"at": text}, NOW)
    assert isinstance(verdict, Rejected)
    assert verdict.reason.startswith("unreadable time")
    assert len(verdict.reason) < 200
    assert json.loads(verdict.record) == {"at": text}


def assert_storable(verdict: Accepted | Rejected, record: Any) -> None:
    texts: list[Any] = (
        [verdict.reason, verdict.record] if isinstance(verdict, Rejected) else [*verdict.values, verdict.unknown]
    )
    for text in texts:
        assert not isinstance(text, str) or text.encode() is not None
    if isinstance(verdict, Rejected):
        assert json.loads(verdict.record) == record


@given(ANY_JSON)
def test_any_json_value_is_accepted_or_refused(record: Any) -> None:
    for judge in (ALL_TYPES, ONE_STRING):
        assert_storable(judge(record, NOW), record)


@given(
    st.fixed_dictionaries({"at": st.just(AT) | ANY_TEXT}, optional=dict.fromkeys((*TYPES, "unknown", "�"), ANY_JSON))
)
def test_any_object_that_looks_like_a_record_is_accepted_or_refused(record: dict[str, Any]) -> None:
    for judge in (ALL_TYPES, ONE_STRING):
        verdict = judge(record, NOW)
        assert_storable(verdict, record)
        if isinstance(verdict, Accepted) and judge is ONE_STRING:
            unknown = {} if verdict.unknown is None else json.loads(verdict.unknown)
            assert {"at": verdict.values[0], **unknown} == record
