"""How settings reach the plugin that dbt makes for itself.

dbt hashes the profile, and parses the whole project anew (4 s) where it differs, so nothing that
differs between homes may stand in it. dbt in process runs once at a time anyway, hence one place and a
lock; a context variable would not do, since dbt works in threads of its own.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from foss_platform.settings import Settings, load_settings

_LOCK = threading.Lock()
_UNDER_WAY: list[Settings] = []


@contextmanager
def dbt_with(settings: Settings) -> Iterator[None]:
    """Let dbt's plugin work with these settings; a second call waits for the first to end."""
    with _LOCK:
        _UNDER_WAY.append(settings)
        try:
            yield
        finally:
            _UNDER_WAY.pop()


def handed_over() -> Settings:
    """The settings of the dbt run under way; a `dbt` started by hand has the environment's."""
    return _UNDER_WAY[-1] if _UNDER_WAY else load_settings()
