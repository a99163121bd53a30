"""The type of an owner: a team or an e-mail address that Dagster's assets accept."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

_TEAM = "team:"
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")


def _an_owner(value: str) -> str:
    if not (value.startswith(_TEAM) and len(value) > len(_TEAM)) and not _EMAIL.fullmatch(value):
        raise ValueError(f"{value!r} is not an owner. Write a team as 'team:{value}', or an e-mail address")
    return value


Owners = Annotated[tuple[Annotated[str, AfterValidator(_an_owner)], ...], Field(min_length=1)]
