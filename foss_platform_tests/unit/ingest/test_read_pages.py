"""Reading the pages of a project: each mistake is reported with its file, line and key."""

from pathlib import Path

import dagster as dg
import pytest
import yaml

from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.page.read_pages import FEED_TYPE, PAGE_FILE, Page, read_pages

PAGE = f"""\
type: {FEED_TYPE}

attributes:
  name: city_parking
  description: Free spaces.
  owners: ["team:x"]
  cadence: "*/2 * * * *"
  source:
    url: https://example.com/parking.json
  contract:
    - {{name: at}}
    - {{name: free, type: int}}
  time:
    fields: [at]
"""


def write(defs: Path, folder: str, text: str = PAGE) -> Path:
    file = defs / folder / PAGE_FILE
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return file


def only_page(defs: Path) -> Page:
    (page,) = read_pages(defs)
    return page


@pytest.fixture
def defs(tmp_path: Path) -> Path:
    return tmp_path / "defs"


def test_a_good_page_gives_its_feed(defs: Path) -> None:
    write(defs, "city_parking")
    page = only_page(defs)
    assert (page.folder, page.file, page.problems) == ("city_parking", "defs/city_parking/defs.yaml", ())
    assert [feed.name for feed in page.feeds] == ["city_parking"]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("    url:", "    uri:", 9, ["source: uri: ", "Did you mean url?"]),
        ("type: int", "type: intt", 12, ['contract "free": type: ', "Did you mean int?", "boolean"]),
        ("{name: free, type: int}", "{name: free, typ: int}", 12, ['contract "free": typ: ', "Did you mean type?"]),
        ('"*/2 * * * *"', '"*/2 * * *"', 7, ["cadence: ", "4 fields, not five"]),
        ('"*/2 * * * *"', '"61 * * * *"', 7, ["cadence: ", "bad minute"]),
        ('["team:x"]', '["x"]', 6, ['owners "x": ', "team:x", "e-mail address"]),
        ("  name: city_parking\n", "", 3, ["name: ", "required"]),
        ("attributes:", "attribute:", 3, ["attribute: ", "Did you mean attributes?"]),
        ("RestFeed", "RestFed", 1, ["type: ", "Did you mean foss_platform.components.rest_feed.RestFeed?"]),
        (f"type: {FEED_TYPE}\n", "", 2, ["type: ", "required", FEED_TYPE]),
        ("  name: city_parking\n", "  name: city_parking\n  name: other\n", 5, ["name: ", "written twice"]),
        ("  source:\n", "  source: [\n", 10, ["not YAML"]),
        ("  description: Free spaces.", "  description: [1]", 5, ["description: ", "valid string", "[1]"]),
    ],
)
def test_a_mistake_is_named_with_line_and_key(defs: Path, old: str, new: str, line: int, words: list[str]) -> None:
    assert old in PAGE
    write(defs, "city_parking", PAGE.replace(old, new, 1))
    page = only_page(defs)
    told = [str(problem) for problem in page.problems if problem.line == line]
    assert any(all(word in text for word in words) for text in told), page.problems
    assert all(text.startswith(f"defs/city_parking/defs.yaml:{line}: ") for text in told)
    assert page.feeds == ()


@pytest.mark.parametrize(
    ("text", "words"), [("", "empty"), ("- 1\n", "mapping"), ("\ufeff# only a comment\n", "empty")]
)
def test_a_file_that_is_not_a_page(defs: Path, text: str, words: str) -> None:
    write(defs, "city_parking", text)
    assert words in str(only_page(defs).problems[0])


def test_a_file_that_is_not_text(defs: Path) -> None:
    write(defs, "city_parking").write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in str(only_page(defs).problems[0])


def test_all_problems_are_reported_at_once(defs: Path) -> None:
    write(defs, "city_parking", PAGE.replace("    url:", "    uri:").replace('["team:x"]', '["x"]'))
    assert {problem.line for problem in only_page(defs).problems} == {6, 8, 9}


def test_broken_pages_do_not_hide_the_others(defs: Path) -> None:
    write(defs, "broken", "type: [")
    write(defs, "city_parking")
    assert [(page.folder, len(page.feeds), bool(page.problems)) for page in read_pages(defs)] == [
        ("broken", 0, True),
        ("city_parking", 1, False),
    ]


def test_a_page_in_a_subfolder_is_read(defs: Path) -> None:
    write(defs, "traffic/city_parking")
    assert only_page(defs).folder == "traffic/city_parking"


def test_a_page_below_another_page_is_refused(defs: Path) -> None:
    write(defs, "city_parking")
    write(defs, "city_parking/inner", PAGE.replace("name: city_parking", "name: inner"))
    good, bad = sorted(read_pages(defs), key=lambda page: page.folder)
    assert good.problems == ()
    assert "below another page (city_parking)" in str(bad.problems[0])


@pytest.mark.parametrize("other", ["a_copy", "z_copy"])
def test_duplicate_page_name_belongs_to_the_folder_with_that_name(defs: Path, other: str) -> None:
    write(defs, "city_parking")
    write(defs, other)
    broken = {page.folder: page.problems for page in read_pages(defs) if page.problems}
    assert list(broken) == [other]
    assert str(broken[other][0]).startswith(f"defs/{other}/defs.yaml:4: name: ")
    assert "defs/city_parking/defs.yaml" in str(broken[other][0])


def test_several_documents_are_several_feeds(defs: Path) -> None:
    write(defs, "pair", PAGE + "---\n" + PAGE.replace("city_parking", "second"))
    assert [feed.name for feed in only_page(defs).feeds] == ["city_parking", "second"]


@pytest.mark.parametrize("cadence", ["* * * * *", "*/5 * * * *", "0 12 * * MON-FRI", "@hourly", "@daily", "0 0 1 * *"])
def test_every_accepted_cadence_is_valid_in_dagster(cadence: str) -> None:
    page = yaml.safe_load(PAGE)["attributes"] | {"cadence": cadence}
    assert Feed.model_validate(page).cadence == cadence
    dg.ScheduleDefinition(name="tick", cron_schedule=cadence, job_name="job")


@pytest.mark.parametrize("owner", ["team:x", "team:data platform", "a.b@example.com"])
def test_every_accepted_owner_is_valid_in_dagster(owner: str) -> None:
    page = yaml.safe_load(PAGE)["attributes"] | {"owners": [owner]}
    assert Feed.model_validate(page).owners == (owner,)
    dg.AssetSpec("p", owners=[owner])
