"""Reads recorded polls of a feed from two file formats. See `feed_server` for serving them.

A recording is a JSON lines file (`.jsonl`, `.jsonl.gz`) with one poll per line: `polled_at` with a zone, `body` (or
`text` if it is not JSON), and optionally `http_status` and `synthetic`. An excerpt (`.csv`) contains the same in a
compact form. Its `#record` lines are templates of the records in a body, with `$Column` as a placeholder for a value of
a row. A header and one row per poll follow. A poll that does not fit the templates is stored as its JSON line.
"""

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from foss_platform.errors import ConfigurationError

RECORD_MARK = "#record "
_EXCERPT = ".csv"
_SUFFIXES = (".jsonl", ".jsonl.gz", _EXCERPT)


@dataclass(frozen=True)
class RecordedPoll:
    """A recorded or synthetic poll.

    Parameters
    ----------
    polled_at
        Time of the poll (in UTC, with zone).
    body
        The raw body as received over HTTP.
    http_status
        The status code of the response.
    synthetic
        Why a synthetic poll was added. Empty for a real poll.
    """

    polled_at: datetime
    body: bytes
    http_status: int = 200
    synthetic: str = ""


def read_recording(path: Path) -> Iterator[RecordedPoll]:
    """Yield a recording's polls in the order of the file. Reads one line at a time.

    Parameters
    ----------
    path
        A `.jsonl`, `.jsonl.gz` or `.csv` file.

    Raises
    ------
    ConfigurationError
        At the call, if the file is missing or its type is unknown. While reading, if a line is invalid: the error names
        the line.
    """
    _check_file(path)
    return _polls(path, excerpt=path.name.endswith(_EXCERPT))


def count_recording(path: Path) -> int:
    """Return the number of polls of a recording without parsing them.

    Raises
    ------
    ConfigurationError
        If the file is missing, has an unknown type or cannot be read to its end. Invalid lines are counted too.
    """
    _check_file(path)
    if not path.name.endswith(_EXCERPT):
        return sum(1 for _ in _lines(path))
    marks = [line[0] for _, line in _lines(path) if not line.startswith("#")]
    return len(marks) - any(mark != "{" for mark in marks)


def parse_time(text: object) -> datetime:
    """Return an ISO 8601 time with a zone as UTC.

    Raises
    ------
    ValueError
        If the text is not such a time.
    """
    try:
        time = datetime.fromisoformat(str(text))
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not an ISO 8601 time such as 2020-10-24T16:01:00Z") from None
    raise ValueError(f"the time {text!r} has no zone: write e.g. 2020-10-24T16:01:00Z")


def row_body(records: Sequence[Mapping[str, str]], row: Mapping[str, str]) -> bytes:
    """Return the body of an excerpt's row: the records, with each `$Column` replaced by the row's value.

    Raises
    ------
    ValueError
        If a record names a column that the row does not have.
    """
    try:
        return _encode(
            [{key: row[text[1:]] if text.startswith("$") else text for key, text in item.items()} for item in records]
        )
    except KeyError as error:
        raise ValueError(f"the {RECORD_MARK.strip()} lines name the column {error}, which the header lacks") from None


def _polls(path: Path, *, excerpt: bool) -> Iterator[RecordedPoll]:
    records: list[dict[str, str]] = []
    columns: list[str] = []
    for number, line in _lines(path):
        poll = None
        try:
            if not excerpt or line.startswith("{"):
                poll = _json_poll(line)
            elif line.startswith(RECORD_MARK):
                records.append(_record(line.removeprefix(RECORD_MARK)))
            elif not line.startswith("#"):
                cells = next(csv.reader([line], strict=True))
                if columns:
                    poll = _row_poll(cells, columns, records)
                elif "polled_at" not in cells:
                    raise ValueError("the header has no polled_at")
                columns = columns or cells
        except (ValueError, RecursionError, csv.Error) as error:
            problem = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise ConfigurationError(f"{path}, line {number}: {problem}.", "Correct or remove this line.") from None
        if poll is not None:
            yield poll


def _json_poll(line: str) -> RecordedPoll:
    item = _json(line)
    if not isinstance(item, dict):
        raise ValueError("it is not a JSON object")
    if "polled_at" not in item:
        raise ValueError("polled_at is missing")
    if ("body" in item) == ("text" in item):
        raise ValueError("it must have either body or text")
    text, status, synthetic = item.get("text", ""), item.get("http_status", 200), item.get("synthetic", "")
    if not isinstance(text, str) or not isinstance(synthetic, str):
        raise ValueError("text and synthetic must be strings")
    if type(status) is not int or not 200 <= status <= 599:
        raise ValueError(f"http_status is {status!r}, not a whole number from 200 to 599")
    body = _encode(item["body"]) if "body" in item else text.encode()
    return RecordedPoll(parse_time(item["polled_at"]), body, status, synthetic)


def _row_poll(cells: list[str], columns: list[str], records: list[dict[str, str]]) -> RecordedPoll:
    if len(cells) != len(columns):
        raise ValueError(f"the row has {len(cells)} cells, but the header has {len(columns)}")
    row = dict(zip(columns, cells, strict=True))
    return RecordedPoll(parse_time(row["polled_at"]), row_body(records, row))


def _record(text: str) -> dict[str, str]:
    record = _json(text)
    if not isinstance(record, dict) or not all(isinstance(value, str) for value in record.values()):
        raise ValueError(f"a {RECORD_MARK.strip()} line is not a JSON object of strings")
    return record


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error.msg} at column {error.colno})") from None


def _encode(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        packed = path.suffix == ".gz"
        with gzip.open(path, "rt", encoding="utf-8-sig") if packed else path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        problem = f"{path}, line {number + 1}: the rest of the file cannot be read ({error})."
        raise ConfigurationError(problem, "The file may be truncated. Get it again.") from None


def _check_file(path: Path) -> None:
    if not path.name.endswith(_SUFFIXES) or not path.is_file():
        raise ConfigurationError(f"{path} is not a recording.", f"Use an existing file of type {', '.join(_SUFFIXES)}.")
