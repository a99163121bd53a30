"""docs/ANALYTICS.md and its files: equal texts, one picture each, and no characters special to a shell."""

import pytest

from foss_platform_tests.analytics.by_hand import ANSWERS
from foss_platform_tests.analytics.pictures import PICTURES
from foss_platform_tests.analytics.questions import DOCUMENT, FOLDER, QUESTIONS, query, shown

LARGEST_PICTURE = 80_000


def test_document_quotes_every_query_file_exactly() -> None:
    # `python -m foss_platform_tests.analytics --text` inserts them
    assert shown(DOCUMENT.read_text()) == {question: query(question) for question in QUESTIONS}


def test_every_question_has_a_plot_and_a_python_answer() -> None:
    assert set(QUESTIONS) == set(PICTURES) == set(ANSWERS)


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_has_a_small_picture_in_the_document(question: str) -> None:
    picture = FOLDER / f"{question}.png"
    assert picture.stat().st_size < LARGEST_PICTURE
    assert f"(analytics/{picture.name})" in DOCUMENT.read_text()


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_can_be_typed_in_double_quotes(question: str) -> None:
    assert not set(query(question)) & set('"$`!\\')
    # and is not parsed as an option
    assert not query(question).startswith("-")
