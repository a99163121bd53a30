"""What a component is given while the code location is put together: settings, clock, HTTP.

Components are made by Dagster's loader, which hands them nothing of ours, so `build_defs` lays it out
here for as long as the loading lasts. Nothing is read from it afterwards: assets hold what they were given.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foss_platform.ingest.http.clock import Clock, system_clock
from foss_platform.settings import Settings, load_settings

if TYPE_CHECKING:
    import requests


def new_session() -> "requests.Session":
    """An HTTP session as production uses it."""
    import requests

    return requests.Session()


@dataclass(frozen=True)
class Platform:
    """What assets are made with."""

    settings: Settings
    clock: Clock = system_clock
    session: Callable[[], "requests.Session"] = new_session


_PLATFORM: ContextVar[Platform] = ContextVar("platform")


@contextmanager
def loading_with(platform: Platform) -> Iterator[None]:
    """Lay out the platform for the components that are loaded inside."""
    token = _PLATFORM.set(platform)
    try:
        yield
    finally:
        _PLATFORM.reset(token)


def current_platform() -> Platform:
    """The platform of the loading that is under way; Dagster's own tools load pages without `build_defs`."""
    return _PLATFORM.get(None) or Platform(load_settings())
