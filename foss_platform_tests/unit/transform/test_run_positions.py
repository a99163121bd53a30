"""How far a run may read its sources: up to the position that all upstream tables have reached or will reach."""

from typing import Any

import pytest

from foss_platform.lake.table.names import TableName
from foss_platform.transform.run_positions import Positions, readable_positions

_BRONZE, _POLLS = "source.p.bronze.things", "source.p.ops.polls"
_SILVER, _OTHER, _GOLD = "model.p.silver", "model.p.other", "model.p.gold"


def _node(namespace: str, name: str, *upstream: str) -> dict[str, Any]:
    return {"resource_type": "model", "schema": namespace, "alias": name, "depends_on": {"nodes": list(upstream)}}


def _source(namespace: str, name: str) -> dict[str, Any]:
    return {"resource_type": "source", "schema": namespace, "identifier": name, "name": "whatever"}


MANIFEST = {
    "sources": {_BRONZE: _source("bronze", "things"), _POLLS: _source("ops", "polls")},
    "nodes": {
        _SILVER: _node("silver", "things", _BRONZE),
        _OTHER: _node("silver", "others", _BRONZE),
        _GOLD: _node("gold", "sums", _SILVER, _OTHER, _POLLS, "exposure.p.nobody"),
    },
}
KNOWN: dict[TableName, Positions] = {
    TableName("bronze", "things"): {"bronze.things": ("b", 110)},
    TableName("ops", "polls"): {"ops.polls": ("p", 7)},
    TableName("silver", "things"): {"bronze.things": ("b", 100)},
    TableName("silver", "others"): {"bronze.things": ("b", 90)},
    TableName("gold", "sums"): {"bronze.things": ("b", 80)},
}


@pytest.mark.parametrize(
    ("node", "built", "expected"),
    [
        (_SILVER, {_SILVER}, {"bronze.things": ("b", 110)}),
        # tables in this run will have read everything, the others stay at their position
        (_GOLD, {_SILVER, _OTHER, _GOLD}, {"bronze.things": ("b", 110), "ops.polls": ("p", 7)}),
        (_GOLD, {_SILVER, _GOLD}, {"bronze.things": ("b", 90), "ops.polls": ("p", 7)}),
        (_GOLD, {_OTHER, _GOLD}, {"bronze.things": ("b", 100), "ops.polls": ("p", 7)}),
        (_GOLD, {_GOLD}, {"bronze.things": ("b", 90), "ops.polls": ("p", 7)}),
    ],
)
def test_readable_position_is_the_lowest_of_all_upstream_tables(
    node: str, built: set[str], expected: dict[str, tuple[str, int]]
) -> None:
    assert readable_positions(MANIFEST, built, KNOWN, node) == expected


def test_unknown_positions_are_left_out() -> None:
    polls = TableName("ops", "polls")
    known = {polls: KNOWN[polls]}
    assert readable_positions(MANIFEST, {_GOLD}, known, _GOLD) == {"ops.polls": ("p", 7)}


def test_ephemeral_model_has_the_positions_of_its_sources() -> None:
    ephemeral = {**_node("gold", "between", _SILVER, _POLLS), "config": {"materialized": "ephemeral"}}
    over = {**_node("gold", "over", "model.p.between", _OTHER), "config": {"materialized": "incremental"}}
    nodes = {**MANIFEST["nodes"], "model.p.between": ephemeral, "model.p.over": over}
    manifest = {**MANIFEST, "nodes": nodes}
    expected = {"bronze.things": ("b", 90), "ops.polls": ("p", 7)}
    assert readable_positions(manifest, {"model.p.over"}, KNOWN, "model.p.over") == expected
    # the upstream tables in this run will have read all of bronze
    built = {"model.p.over", _SILVER, _OTHER}
    assert readable_positions(manifest, built, KNOWN, "model.p.over")["bronze.things"] == ("b", 110)
