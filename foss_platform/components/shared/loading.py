"""The settings, clock and HTTP session for components while the code location is loaded.

Dagster's loader creates the components without arguments of the platform. So `build_defs` provides a `Platform` here
while the components are loaded. The `Platform` is not read afterwards: assets keep the objects that they were created
with.
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
    """Return an HTTP session as used in production."""
    import requests

    return requests.Session()


@dataclass(frozen=True)
class Platform:
    """The objects that assets are created with."""

    settings: Settings
    clock: Clock = system_clock
    session: Callable[[], "requests.Session"] = new_session


_PLATFORM: ContextVar[Platform] = ContextVar("platform")


@contextmanager
def loading_with(platform: Platform) -> Iterator[None]:
    """Provide the platform to the components that are loaded inside the context."""
    token = _PLATFORM.set(platform)
    try:
        yield
    finally:
        _PLATFORM.reset(token)


def current_platform() -> Platform:
    """Return the platform of the current loading. Dagster's own tools load pages without `build_defs`."""
    return _PLATFORM.get(None) or Platform(load_settings())
