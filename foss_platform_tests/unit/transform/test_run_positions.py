"""The tables of a run, and how far it reads its sources: up to the position of all upstream tables."""

from typing import Any

import pytest

from foss_platform.lake.table.names import TableName
from foss_platform.transform.run_positions import Positions, readable_positions, tables_of_run

_BRONZE, _POLLS = "source.p.bronze.things", "source.p.ops.polls"
_SILVER, _OTHER, _GOLD = "model.p.silver", "model.p.other", "model.p.gold"
_SEED, _TEST = "seed.p.seeded", "test.p.of_silver"


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
        _SEED: {**_node("silver", "seeded"), "resource_type": "seed"},
        _TEST: {**_node("test_audit", "of_silver", _SILVER), "resource_type": "test"},
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


@pytest.mark.parametrize(
    ("built", "expected"),
    [
        ({_SILVER}, {"bronze.things", "silver.things"}),
        # the sources of upstream tables show whether the positions of these tables are valid
        ({_GOLD}, {"gold.sums", "silver.things", "silver.others", "ops.polls", "bronze.things"}),
        ({_TEST}, {"silver.things", "bronze.things"}),
        ({_SEED}, {"silver.seeded"}),
        ({"function.p.other_kind"}, set()),
    ],
)
def test_a_run_opens_what_its_nodes_read_or_write(built: set[str], expected: set[str]) -> None:
    assert {str(name) for name in tables_of_run(MANIFEST, built)} == expected


def test_hooks_read_tables_in_every_run() -> None:
    hook = {**_node("silver", "hook", _OTHER), "resource_type": "operation"}
    manifest = {**MANIFEST, "nodes": {**MANIFEST["nodes"], "operation.p.hook": hook}}
    assert TableName("silver", "others") in tables_of_run(manifest, {_SEED})
