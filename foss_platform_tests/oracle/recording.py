"""Recorded polls, as returned by the feed."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from foss_platform_tests.oracle.silver import Poll


def load_recording(path: Path | str, batch_id: Callable[[int, datetime], str]) -> list[Poll]:
    """Return the polls of a gzipped JSON Lines file. `batch_id` is called with the line number (from 0) and the
    time.

    A body that is not an array is a failed attempt.
    """
    polls = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            content = json.loads(line)
            polled_at = datetime.fromisoformat(content["polled_at"]).astimezone(UTC)
            body = content["body"]
            is_array = isinstance(body, list)
            polls.append(Poll(polled_at, batch_id(number, polled_at), body if is_array else [], is_array))
    return polls
