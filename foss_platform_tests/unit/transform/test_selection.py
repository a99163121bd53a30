"""Which nodes dbt selects besides the chosen ones."""

from typing import Any

from foss_platform.transform.plan.selection import dragged_along

_NAMES = (
    "p.silver.parking",
    "p.silver.parking.readings",
    "p.silver.parking.sites",
    "p.silver.parking_old",
    "p.gold.all",
)
MANIFEST: dict[str, Any] = {"nodes": {f"model.{name}": {"fqn": name.split(".")} for name in _NAMES}}


def chosen(*names: str) -> dict[str, str]:
    return {f"model.{name}": name for name in names}


def test_a_model_named_like_a_folder_drags_the_folder_along() -> None:
    assert dragged_along(MANIFEST, chosen("p.silver.parking", "p.silver.parking.sites")) == [
        "p.silver.parking.readings"
    ]
    assert dragged_along(MANIFEST, chosen("p.gold.all", "p.silver.parking_old")) == []
