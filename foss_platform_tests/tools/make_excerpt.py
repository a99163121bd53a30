"""Creates the included excerpt from the full recording: `python -m foss_platform_tests.tools.make_excerpt --help`.

The script selects the polls and inserts the broken polls. `foss_platform.ingest.recording.recording` reads an excerpt.
The result is read back and compared before it replaces the existing file.
"""

import argparse
import csv
import io
import itertools
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from foss_platform.cli.run.feed import EXCERPT
from foss_platform.ingest.recording.recording import (
    RECORD_MARK,
    RecordedPoll,
    parse_time,
    read_recording,
    row_body,
)
from foss_platform_tests.repository import PROJECT_ROOT

RECORDING = PROJECT_ROOT.parent / "shared" / "data" / "stavanger" / "polls-2020-10-14_2020-11-15.jsonl.gz"
FIRST, END = "2020-10-24T16:00:00Z", "2020-10-26T23:00:00Z"
COUNT = "Antall_ledige_plasser"

HEADER = """\
# Stavanger parking, polls of 24-26 October 2020: see excerpt.README.md beside this file.
# Contains data under the Norwegian licence for Open Government data (NLOD) 2.0 distributed by Stavanger kommune.
# Made by foss_platform_tests/tools/make_excerpt.py; do not edit by hand.
# #record lines are the body's records in order, $X being the row's column X. Lines of JSON are polls that the table
# cannot say; those with "synthetic" never happened.
"""

HTML = "<!DOCTYPE html>\n<html><head><title>Vedlikehold</title></head><body><h1>Siden er nede</h1></body></html>\n"


@dataclass(frozen=True)
class Broken:
    """A poll that never happened, inserted 2 minutes after the first real poll since `after` with a 4-minute gap.

    Its body is the body of that real poll with record `site` changed (None removes a key), or `text`, or an empty
    array.
    """

    after: str
    why: str
    site: str = ""
    change: tuple[tuple[str, str | None], ...] = ()
    text: str | None = None
    http_status: int = 200


BROKEN = (
    Broken("2020-10-24T18:30Z", "empty array"),
    Broken("2020-10-24T21:30Z", f"record Siddis without {COUNT}", "Siddis", ((COUNT, None),)),
    Broken("2020-10-25T03:00Z", "unknown field Merknad in record Forum", "Forum", (("Merknad", "Dørene står åpne"),)),
    Broken(
        "2020-10-25T08:00Z",
        "unreadable time in record Kyrre",
        "Kyrre",
        (("Dato", "25.10.2020"), ("Klokkeslett", "25:61")),
    ),
    Broken("2020-10-25T16:00Z", "HTTP 503", text="Service Unavailable\n", http_status=503),
    Broken("2020-10-25T20:00Z", "HTML instead of JSON", text=HTML),
    Broken("2020-10-26T10:00Z", "record Posten without Sted", "Posten", (("Sted", None),)),
)


def broken_line(broken: Broken, polls: Sequence[RecordedPoll]) -> tuple[datetime, str]:
    """Return the time and JSON line of a broken poll among the real `polls`."""
    after = parse_time(broken.after)
    base = next(
        poll
        for poll, following in itertools.pairwise(polls)
        if poll.polled_at >= after and following.polled_at - poll.polled_at == timedelta(minutes=4)
    )
    at = base.polled_at + timedelta(minutes=2)
    item: dict[str, Any] = {"polled_at": _iso(at), "synthetic": broken.why}
    if broken.http_status != 200:
        item["http_status"] = broken.http_status
    if broken.text is not None:
        item["text"] = broken.text
    else:
        item["body"] = _changed(json.loads(base.body), broken) if broken.site else []
    return at, _compact(item)


def _changed(body: list[dict[str, str]], broken: Broken) -> list[dict[str, str]]:
    record = next(record for record in body if record["Sted"] == broken.site)
    for key, value in broken.change:
        if value is None:
            del record[key]
        else:
            record[key] = value
    return body


def record_templates(body: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Return a body's records with the time and the count as columns and everything else unchanged."""
    return [{**record, "Dato": "$Dato", "Klokkeslett": "$Klokkeslett", COUNT: f"${record['Sted']}"} for record in body]


def poll_line(poll: RecordedPoll, records: Sequence[dict[str, str]]) -> str:
    """Return a real poll as a row, or as a JSON line if a row cannot represent it exactly."""
    body = json.loads(poll.body)
    cells = {"polled_at": _iso(poll.polled_at), "Dato": body[0]["Dato"], "Klokkeslett": body[0]["Klokkeslett"]}
    cells |= {template["Sted"]: record.get(COUNT, "") for template, record in zip(records, body, strict=False)}
    try:
        same = row_body(records, cells) == poll.body
    except ValueError:
        same = False
    row = _row(list(cells.values()))
    return row if same and "\n" not in row else _compact({"polled_at": cells["polled_at"], "body": body})


def make_excerpt(source: Path, output: Path, first: datetime, end: datetime) -> int:
    """Write the polls from `first` until `end` with the broken polls in between. Return the number of polls.

    Raises
    ------
    RuntimeError
        If the file does not read back correctly. `output` is left unchanged.
    """
    real = [poll for poll in read_recording(source) if first <= poll.polled_at < end]
    records = record_templates(json.loads(real[0].body))
    lines = [(poll.polled_at, poll_line(poll, records)) for poll in real]
    lines = sorted([*lines, *(broken_line(broken, real) for broken in BROKEN)], key=lambda timed: timed[0])
    columns = _row(["polled_at", "Dato", "Klokkeslett", *(record["Sted"] for record in records)])
    templates = [RECORD_MARK + json.dumps(record, ensure_ascii=False) for record in records]
    draft = output.with_name("draft-" + output.name)
    draft.write_text(HEADER + "\n".join([*templates, columns, *(line for _, line in lines)]) + "\n", encoding="utf-8")
    back = list(read_recording(draft))
    if [poll for poll in back if not poll.synthetic] != real or len(back) != len(real) + len(BROKEN):
        raise RuntimeError(f"{draft} does not read back as {source}")
    draft.replace(output)
    return len(back)


def main() -> None:
    """Run from the command line. The default options create the included excerpt."""
    parser = argparse.ArgumentParser(description="Create the included excerpt from the full recording.")
    parser.add_argument("--source", type=Path, default=RECORDING, help="the recording (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=EXCERPT, help="the excerpt (default: %(default)s)")
    parser.add_argument("--from", dest="first", type=parse_time, default=FIRST, help="first time (%(default)s)")
    parser.add_argument("--until", dest="end", type=parse_time, default=END, help="time after the last (%(default)s)")
    chosen = parser.parse_args()
    count = make_excerpt(chosen.source, chosen.output, chosen.first, chosen.end)
    sys.stdout.write(f"{chosen.output}: {count} polls, {chosen.output.stat().st_size:,} bytes\n")


def _iso(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def _compact(item: dict[str, Any]) -> str:
    return json.dumps(item, ensure_ascii=False, separators=(",", ":"))


def _row(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


if __name__ == "__main__":
    main()
