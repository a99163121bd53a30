"""Waits until a server answers requests."""

from collections.abc import Callable

import requests
import tenacity

_ANSWER_SECONDS = 2.0


class NotReady(Exception):  # noqa: N818  # it is temporary
    """The server does not answer yet."""


def until_ready(ask: Callable[[], None], seconds: float) -> None:
    """Call `ask` until it succeeds.

    Raises
    ------
    NotReady
        The last error, when the time is over.
    """
    tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(NotReady),
        stop=tenacity.stop_after_delay(seconds),
        wait=tenacity.wait_fixed(0.05),
        reraise=True,
    )(ask)


def ask_page(url: str) -> None:
    """Request a page. Use it for `ask`.

    Raises
    ------
    NotReady
        If the page does not report success.
    """
    try:
        answer = requests.get(url, timeout=_ANSWER_SECONDS)
    except requests.RequestException as error:
        raise NotReady(str(error)) from error
    if answer.status_code != requests.codes.ok:
        raise NotReady(f"{url}: {answer.status_code}")
