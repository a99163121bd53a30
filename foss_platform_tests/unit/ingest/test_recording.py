"""Recordings are read exactly and in bounded memory. A bad line is reported. The included excerpt equals its source."""

import gzip
import json
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from foss_platform.cli.run.feed import EXCERPT
from foss_platform.errors import ConfigurationError
from foss_platform.ingest.recording.recording import RecordedPoll, count_recording, parse_time, read_recording, row_body
from foss_platform_tests.tools.make_excerpt import BROKEN, END, FIRST, RECORDING, make_excerpt, poll_line

AT = datetime(2020, 10, 24, 16, 1, tzinfo=UTC)
GOOD = '{"polled_at":"2020-10-24T16:01:00Z","body":[{"b":"Sør","a":1.5}]}'
TABLE = '# comment\n#record {"b":"x","n":"$St Olav"}\npolled_at,St Olav\n2020-10-24T16:01:00Z,"0,00"\n'


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def needs_recording() -> None:
    if not RECORDING.exists():
        pytest.skip(f"the full recording is not here: {RECORDING}")


def test_json_lines_keep_order_and_letters(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", f"{GOOD}\n\n   \n{GOOD}")
    assert list(read_recording(path)) == [RecordedPoll(AT, '[{"b":"Sør","a":1.5}]'.encode())] * 2
    assert count_recording(path) == 2


def test_text_status_label_and_zone(tmp_path: Path) -> None:
    line = '{"polled_at":"2020-10-24T18:01:00+02:00","text":"<p>ø</p>","http_status":503,"synthetic":"down"}'
    (poll,) = read_recording(write(tmp_path / "r.jsonl", line))
    assert poll == RecordedPoll(AT, "<p>ø</p>".encode(), 503, "down")
    assert poll.polled_at.tzinfo is UTC


def test_gzip_streams_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl.gz"
    path.write_bytes(gzip.compress(f"{GOOD}\nbad\n".encode()))
    polls = read_recording(path)
    assert next(polls).polled_at == AT
    with pytest.raises(ConfigurationError, match="line 2"):
        next(polls)


def test_excerpt_rows_and_json_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", f"{GOOD}\n{TABLE}{GOOD}\n")
    assert [poll.body for poll in read_recording(path)][1] == b'[{"b":"x","n":"0,00"}]'
    assert count_recording(path) == len(list(read_recording(path))) == 3


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"body":[]}', "polled_at is missing"),
        ('{"polled_at":"2020-10-24T16:01:00","body":[]}', "no zone"),
        ('{"polled_at":"yesterday","body":[]}', "not an ISO 8601 time"),
        ('{"polled_at":"0001-01-01T00:00:00+05:00","body":[]}', "not an ISO 8601 time"),
        ('{"polled_at":5,"body":[]}', "not an ISO 8601 time"),
        ('{"polled_at":"2020-10-24T16:01:00Z"}', "either body or text"),
        ('{"polled_at":"2020-10-24T16:01:00Z","body":[],"text":""}', "either body or text"),
        ('{"polled_at":"2020-10-24T16:01:00Z","text":[]}', "must be strings"),
        ('{"polled_at":"2020-10-24T16:01:00Z","body":[],"http_status":"200"}', "http_status"),
        ('{"polled_at":"2020-10-24T16:01:00Z","body":[],"http_status":true}', "http_status"),
        ('{"polled_at":"2020-10-24T16:01:00Z","body":"\\ud800"}', "surrogates"),
        ('{"polled_at":"2020-10-24T16:01:00Z","body":' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
    ],
)
def test_bad_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    path = write(tmp_path / "r.jsonl", f"{GOOD}\n\n{line}\n")
    with pytest.raises(ConfigurationError, match=rf"r\.jsonl, line 3: .*{problem}") as caught:
        list(read_recording(path))
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "number", "problem"),
    [
        (TABLE + "2020-10-24T16:01:00Z\n", 5, "1 cells, but the header has 2"),
        (TABLE + "2020-10-24T16:01:00,1\n", 5, "no zone"),
        (TABLE + '2020-10-24T16:01:00Z,"1\n', 5, "unexpected end"),
        (TABLE.replace("$St Olav", "$Kyrre"), 4, "column 'Kyrre'"),
        (TABLE.replace("polled_at", "at"), 3, "no polled_at"),
        ("#record []\n", 1, "not a JSON object of strings"),
    ],
)
def test_bad_excerpt_line_is_named(tmp_path: Path, text: str, number: int, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"r\.csv, line {number}: .*{problem}"):
        list(read_recording(write(tmp_path / "r.csv", text)))


@pytest.mark.parametrize("name", ["none.jsonl", "r.parquet", "folder.csv"])
def test_missing_file_or_unknown_type_fails_at_once(tmp_path: Path, name: str) -> None:
    write(tmp_path / "r.parquet", GOOD)
    (tmp_path / "folder.csv").mkdir()
    for use in (read_recording, count_recording):
        with pytest.raises(ConfigurationError, match=re.escape(name)):
            use(tmp_path / name)


@pytest.mark.parametrize("damage", ["cut", "no gzip", "flipped", "latin"])
def test_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    packed = gzip.compress("\n".join([GOOD] * 5000).encode())
    content = {
        "cut": packed[:-20],
        "no gzip": GOOD.encode(),
        "flipped": packed[:20] + b"\xff" * 20 + packed[40:],
        "latin": gzip.compress(GOOD.encode("latin-1")),
    }
    path = tmp_path / "r.jsonl.gz"
    path.write_bytes(content[damage])
    with pytest.raises(ConfigurationError, match=r"r\.jsonl\.gz, line \d+"):
        list(read_recording(path))
    with pytest.raises(ConfigurationError, match=r"r\.jsonl\.gz, line \d+"):
        count_recording(path)


def test_excerpt_equals_the_recording_poll_by_poll() -> None:
    needs_recording()
    first, end = parse_time(FIRST), parse_time(END)
    real = [poll for poll in read_recording(RECORDING) if first <= poll.polled_at < end]
    carried = [poll for poll in read_recording(EXCERPT) if not poll.synthetic]
    assert len(carried) == len(real) == 799
    for mine, theirs in zip(carried, real, strict=True):
        assert mine == theirs


def test_excerpt_equals_the_output_of_its_script(tmp_path: Path) -> None:
    needs_recording()
    make_excerpt(RECORDING, tmp_path / "again.csv", parse_time(FIRST), parse_time(END))
    assert (tmp_path / "again.csv").read_bytes() == EXCERPT.read_bytes()


def test_synthetic_polls_neither_create_nor_hide_gaps() -> None:
    polls = list(read_recording(EXCERPT))
    assert count_recording(EXCERPT) == len(polls)
    assert all(one.polled_at < other.polled_at for one, other in pairwise(polls))
    places = [place for place, poll in enumerate(polls) if poll.synthetic]
    assert [polls[place].synthetic for place in places] == [broken.why for broken in BROKEN]
    assert max(places) < len(polls) - 5
    for place in places:
        before, after = polls[place - 1], polls[place + 1]
        assert not before.synthetic
        assert not after.synthetic
        assert after.polled_at - before.polled_at == timedelta(minutes=4)
    text = (EXCERPT.parent / "excerpt.README.md").read_text(encoding="utf-8")
    assert all(polls[place].polled_at.strftime("%Y-%m-%dT%H:%MZ") in text for place in places)
    assert EXCERPT.stat().st_size < 120_000


def test_poll_that_does_not_fit_the_csv_becomes_a_json_line() -> None:
    site = {"Dato": "d", "Klokkeslett": "k", "Sted": "A", "Antall_ledige_plasser": "1"}
    records = [{**site, "Dato": "$Dato", "Klokkeslett": "$Klokkeslett", "Antall_ledige_plasser": "$A"}]
    assert poll_line(RecordedPoll(AT, row_body([site], {})), records) == "2020-10-24T16:01:00Z,d,k,1"
    for body in ([site, {**site, "Klokkeslett": "other"}], [{**site, "new": "x"}], [dict(reversed(site.items()))]):
        line = poll_line(RecordedPoll(AT, row_body(body, {})), records)
        assert json.loads(line)["body"] == body
