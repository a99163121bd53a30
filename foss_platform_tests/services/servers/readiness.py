"""Waiting for a server by asking it. Not here: which server, or what to do when it never answers."""

from collections.abc import Callable

import requests
import tenacity

_ANSWER_SECONDS = 2.0


class NotReady(Exception):  # noqa: N818  # it passes
    """The server does not answer yet."""


def until_ready(ask: Callable[[], None], seconds: float) -> None:
    """Ask until there is an answer.

    Raises
    ------
    NotReady
        The last one, when time is over.
    """
    tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(NotReady),
        stop=tenacity.stop_after_delay(seconds),
        wait=tenacity.wait_fixed(0.05),
        reraise=True,
    )(ask)


def ask_page(url: str) -> None:
    """For `ask`: a page that says that all is well.

    Raises
    ------
    NotReady
        When it does not.
    """
    try:
        answer = requests.get(url, timeout=_ANSWER_SECONDS)
    except requests.RequestException as error:
        raise NotReady(str(error)) from error
    if answer.status_code != requests.codes.ok:
        raise NotReady(f"{url}: {answer.status_code}")
