"""docs/ANALYTICS.md and its files: the same texts, a picture each, and nothing in them that a shell would read."""

import pytest

from foss_platform_tests.analytics.by_hand import ANSWERS
from foss_platform_tests.analytics.pictures import PICTURES
from foss_platform_tests.analytics.questions import DOCUMENT, FOLDER, QUESTIONS, query, shown

LARGEST_PICTURE = 80_000


def test_the_document_shows_every_question_as_its_file_has_it() -> None:
    # `python -m foss_platform_tests.analytics --text` puts them in
    assert shown(DOCUMENT.read_text()) == {question: query(question) for question in QUESTIONS}


def test_every_question_is_drawn_and_worked_out_by_hand() -> None:
    assert set(QUESTIONS) == set(PICTURES) == set(ANSWERS)


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_has_a_small_picture_in_the_document(question: str) -> None:
    picture = FOLDER / f"{question}.png"
    assert picture.stat().st_size < LARGEST_PICTURE
    assert f"(analytics/{picture.name})" in DOCUMENT.read_text()


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_can_be_typed_in_double_quotes(question: str) -> None:
    assert not set(query(question)) & set('"$`!\\')
    # and is not taken for an option
    assert not query(question).startswith("-")
