"""How far a run may read its sources: as far as all that a node is made from has, or will have, read them."""

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
        # what this run builds will have read all, what it does not stays where it is
        (_GOLD, {_SILVER, _OTHER, _GOLD}, {"bronze.things": ("b", 110), "ops.polls": ("p", 7)}),
        (_GOLD, {_SILVER, _GOLD}, {"bronze.things": ("b", 90), "ops.polls": ("p", 7)}),
        (_GOLD, {_OTHER, _GOLD}, {"bronze.things": ("b", 100), "ops.polls": ("p", 7)}),
        (_GOLD, {_GOLD}, {"bronze.things": ("b", 90), "ops.polls": ("p", 7)}),
    ],
)
def test_as_far_as_all_upstream(node: str, built: set[str], expected: dict[str, tuple[str, int]]) -> None:
    assert readable_positions(MANIFEST, built, KNOWN, node) == expected


def test_what_is_not_known_says_nothing() -> None:
    polls = TableName("ops", "polls")
    known = {polls: KNOWN[polls]}
    assert readable_positions(MANIFEST, {_GOLD}, known, _GOLD) == {"ops.polls": ("p", 7)}


def test_an_ephemeral_model_passes_on_the_positions_of_what_it_reads() -> None:
    ephemeral = {**_node("gold", "between", _SILVER, _POLLS), "config": {"materialized": "ephemeral"}}
    over = {**_node("gold", "over", "model.p.between", _OTHER), "config": {"materialized": "incremental"}}
    nodes = {**MANIFEST["nodes"], "model.p.between": ephemeral, "model.p.over": over}
    manifest = {**MANIFEST, "nodes": nodes}
    expected = {"bronze.things": ("b", 90), "ops.polls": ("p", 7)}
    assert readable_positions(manifest, {"model.p.over"}, KNOWN, "model.p.over") == expected
    # what this run builds below it has read all of bronze by then
    built = {"model.p.over", _SILVER, _OTHER}
    assert readable_positions(manifest, built, KNOWN, "model.p.over")["bronze.things"] == ("b", 110)
