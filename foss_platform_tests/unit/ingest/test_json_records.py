"""Strict reading and writing of JSON bodies, with hostile input."""

import hashlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foss_platform.ingest.formats.json_records import (
    MAX_DEPTH,
    RepeatedKeys,
    UnreadableBodyError,
    content_hash,
    find_records,
    parse_body,
    to_json,
)
from foss_platform_tests.hypothesis_profile import ANY_JSON, ANY_TEXT


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + "1" * (opening != "[") + closing * depth).encode()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"[NaN]", "NaN is not a JSON value"),
        (b"[Infinity]", "Infinity is not a JSON value"),
        (b"[-Infinity]", "-Infinity is not a JSON value"),
        (b"[1e999]", "1e999 is out of range"),
        (b"[-1e999]", "-1e999 is out of range"),
        (b"[" + b"9" * 4301 + b"]", "a number of 4,301 digits is out of range"),
        (b"[" + b"9" * 5000 + b"]", "not JSON"),
        (b'["\x00"]', "not JSON"),
        (b'["\n"]', "not JSON"),
        (b"[1,]", "not JSON"),
        (b"['a']", "not JSON"),
        (b"[1] [2]", "not JSON"),
        (b"[01]", "not JSON"),
        (b"[+1]", "not JSON"),
        (b"// x\n[1]", "not JSON"),
        (b"", "not JSON"),
        (b"\xef\xbb\xbf", "not JSON"),
        (b"<html>\n<body>", "It begins '<html> <body>'"),
    ],
)
def test_invalid_json_is_refused(body: bytes, problem: str) -> None:
    with pytest.raises(UnreadableBodyError, match=re.escape(problem)) as caught:
        parse_body(body)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "body",
    [
        "[1]".encode("utf-16"),
        "[1]".encode("utf-16-le"),
        "[1]".encode("utf-32"),
        '["Å"]'.encode("latin-1"),
        b'["\xed\xa0\x80"]',  # an encoded surrogate
        b'["\xc0\xaf"]',  # an overlong encoding of a slash
        b'["\xff"]',
    ],
)
def test_other_encodings_are_refused(body: bytes) -> None:
    with pytest.raises(UnreadableBodyError):
        parse_body(body)


def test_the_byte_that_is_not_utf8_is_named() -> None:
    with pytest.raises(UnreadableBodyError, match=r"not UTF-8 \(byte 2\)"):
        parse_body(b'["\xff"]')


def test_only_the_first_byte_order_mark_is_skipped() -> None:
    assert parse_body(b'\xef\xbb\xbf["\xef\xbb\xbf"]') == ["\ufeff"]
    with pytest.raises(UnreadableBodyError):
        parse_body(b"\xef\xbb\xbf\xef\xbb\xbf[1]")


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('{"a":0,"a":', "}"), ('{"a":[', "]}")])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 480, 985, 200_000])
def test_deep_nesting_is_refused_regardless_of_pythons_limit(opening: str, closing: str, depth: int) -> None:
    with pytest.raises(UnreadableBodyError, match="nested too deeply"):
        parse_body(nested(depth, opening, closing))


def test_depth_hidden_behind_a_repeated_key_counts() -> None:
    with pytest.raises(UnreadableBodyError, match="nested too deeply"):
        parse_body(b'{"a":' + nested(MAX_DEPTH) + b',"a":1}')


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('{"a":0,"a":', "}")])
def test_the_deepest_nesting_can_be_hashed_and_written(opening: str, closing: str) -> None:
    body = nested(MAX_DEPTH, opening, closing)
    payload = parse_body(body)
    assert to_json(payload).encode() == body
    assert content_hash(payload)


def test_many_brackets_are_not_deep() -> None:
    assert len(parse_body(b"[" + b"[1]," * 50_000 + b"[1]]")) == 50_001
    assert parse_body(json.dumps(["[{" * 5_000]).encode()) == ["[{" * 5_000]


def test_repeated_keys_are_noticed_and_kept() -> None:
    payload = parse_body(b'[{"a":1,"b":{"c":1,"c":2},"a":[{"x":1,"x":2}]}]')
    assert isinstance(payload[0], RepeatedKeys)
    assert to_json(payload) == '[{"a":1,"b":{"c":1,"c":2},"a":[{"x":1,"x":2}]}]'


@pytest.mark.parametrize("literal", ["\\ud800", "\\udfff\\ud800", "a\\udc00b"])
def test_lone_surrogates_stay_escaped_as_value_and_as_key(literal: str) -> None:
    text = to_json(parse_body(f'{{"{literal}":"{literal}"}}'.encode()))
    assert text == f'{{"{literal}":"{literal}"}}'
    assert text.encode()
    assert content_hash(parse_body(text.encode()))


def test_surrogate_pairs_and_nul_are_ordinary_text() -> None:
    assert parse_body(b'["\\ud83d\\ude00\\u0000"]') == ["😀\x00"]
    assert to_json(["😀\x00Å"]) == '["😀\\u0000Å"]'


def test_huge_numbers_that_can_be_read_can_be_written() -> None:
    digits = "9" * 4_000
    assert to_json(parse_body(f"[{digits}]".encode())) == f"[{digits}]"
    assert parse_body(b"[1e-999, -0.0, 1.7976931348623157e308]") == [0.0, 0.0, 1.7976931348623157e308]


@given(ANY_JSON)
def test_any_json_value_survives_writing_and_reading(value: Any) -> None:
    text = to_json(value)
    again = parse_body(text.encode())
    assert again == value
    assert to_json(again) == text


@given(ANY_JSON, st.randoms(use_true_random=False))
def test_the_hash_does_not_depend_on_form(value: Any, dice: Any) -> None:
    def shuffled(item: Any) -> Any:
        if isinstance(item, dict):
            keys = list(item)
            dice.shuffle(keys)
            return {key: shuffled(item[key]) for key in keys}
        return [shuffled(part) for part in item] if isinstance(item, list) else item

    forms = [json.dumps(shuffled(value), indent=3), json.dumps(value), to_json(value)]
    assert {content_hash(parse_body(form.encode())) for form in forms} == {content_hash(value)}


def test_the_hash_is_sha256_of_canonical_json_and_differs_between_values() -> None:
    assert content_hash([{"b": "Å", "a": 1}]) == hashlib.sha256(b'[{"a":1,"b":"\\u00c5"}]').hexdigest()
    values: list[Any] = [1, 1.5, "1", True, None, [], {}, [1], [[1]], {"a": 1}, {"a": "1"}, ["a", "b"], ["b", "a"]]
    assert len({content_hash(value) for value in values}) == len(values)


@given(st.binary(max_size=40) | ANY_TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        value = parse_body(body)
    except UnreadableBodyError as error:
        assert str(error).encode()
    else:
        assert parse_body(to_json(value).encode()) == value


@pytest.mark.parametrize(
    ("payload", "path", "problem"),
    [
        ({}, "", "it is an object"),
        ([], "", "is empty"),
        (None, "", "it is null"),
        ("x", "", "it is a string"),
        (True, "", "it is a boolean"),
        (1.5, "", "it is a number"),
        ({"data": []}, "data", "at 'data' is empty"),
        ({"data": {"rows": 1}}, "data.rows", "it is a number"),
        ({"data": None}, "data.rows", "'rows' is missing"),
        ([], "data", "'data' is missing"),
        ({"data.rows": [1]}, "data.rows", "'data' is missing"),
    ],
)
def test_records_missing_from_the_configured_path_are_an_error(payload: Any, path: str, problem: str) -> None:
    with pytest.raises(UnreadableBodyError, match=re.escape(problem)):
        find_records(payload, path)


def test_records_are_found() -> None:
    assert find_records({"data": {"rows": [None, 1]}}, "data.rows") == [None, 1]
