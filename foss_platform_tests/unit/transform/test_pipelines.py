"""Which pipelines feed each node of a dbt project, and which nodes are built together."""

from typing import Any

import pytest

from foss_platform.transform.plan.pipelines import divide_by_pipeline, read_of_no_pipeline


def _node(unique_id: str, *upstream: str, materialized: str = "table") -> dict[str, Any]:
    kind, name = unique_id.split(".")
    return {
        "resource_type": kind,
        "schema": "gold",
        "alias": name,
        "depends_on": {"nodes": list(upstream)} if kind != "seed" else {},
        "config": {"materialized": materialized},
    }


def _source(name: str) -> dict[str, Any]:
    namespace, _, identifier = name.partition(".")
    return {"resource_type": "source", "schema": namespace, "identifier": identifier, "name": "whatever"}


_NODES = [
    _node("seed.only_a"),
    _node("seed.of_both"),
    _node("seed.of_shared"),
    _node("seed.of_a_and_nobody"),
    _node("seed.unread"),
    _node("model.a", "bronze.a", "seed.only_a", "seed.of_both", "seed.of_a_and_nobody"),
    _node("model.a_rejected", "bronze.a__rejected"),
    _node("model.through", "model.a", materialized="ephemeral"),
    _node("model.a_gold", "model.through", "ops.polls", "model.polls_of_a"),
    _node("model.polls_of_a", "ops.polls"),
    _node("model.b", "bronze.b", "seed.of_both", "model.calendar"),
    _node("model.both", "model.through", "model.b", "seed.of_shared", "model.calendar"),
    _node("model.above_both", "model.both"),
    _node("model.calendar", "seed.of_calendar"),
    _node("seed.of_calendar"),
    _node("model.all_polls", "ops.polls", "seed.of_a_and_nobody"),
    _node("test.of_a", "model.a", "model.b"),
]
MANIFEST: dict[str, Any] = {
    "nodes": {f"{node['resource_type']}.{node['alias']}": node for node in _NODES},
    "sources": {name: _source(name) for name in ("bronze.a", "bronze.a__rejected", "bronze.b", "ops.polls")},
}
DIVISION = divide_by_pipeline(MANIFEST)


@pytest.mark.parametrize(
    ("builder", "nodes"),
    [
        (("a",), {"seed.only_a", "model.a", "model.a_rejected", "model.through", "model.a_gold", "model.polls_of_a"}),
        (("b",), {"model.b"}),
        (("a", "b"), {"model.both", "model.above_both"}),
        (
            (),
            {
                "seed.of_both", "seed.of_shared", "seed.of_a_and_nobody", "seed.unread",
                "model.calendar", "seed.of_calendar", "model.all_polls",
            },
        ),
    ],
    ids=["a", "b", "shared", "no pipeline"],
)  # fmt: skip
def test_each_node_belongs_to_one_build(builder: tuple[str, ...], nodes: set[str]) -> None:
    assert {unique_id for unique_id in DIVISION.users if DIVISION.builder(unique_id) == builder} == nodes


def test_builds_never_wait_for_each_other_in_a_circle() -> None:
    reads = {
        (DIVISION.builder(unique_id), DIVISION.builder(upstream))
        for unique_id in DIVISION.users
        for upstream in MANIFEST["nodes"][unique_id]["depends_on"].get("nodes", [])
        if upstream in DIVISION.users
    }
    assert all(set(below) < set(above) for above, below in reads if above != below)


def test_models_with_several_pipelines_upstream_are_shared() -> None:
    shared = {unique_id for unique_id in DIVISION.users if DIVISION.is_shared(unique_id)}
    assert shared == {"model.both", "model.above_both"}


def test_a_pipeline_feeds_its_models_and_needs_their_seeds() -> None:
    assert DIVISION.fed_by("b") == {
        "model.b", "seed.of_both", "model.calendar", "seed.of_calendar",
        "model.both", "model.above_both", "seed.of_shared",
    }  # fmt: skip
    assert DIVISION.fed_by("without_models") == set()


def test_nodes_of_no_pipeline_are_found_upstream() -> None:
    assert read_of_no_pipeline(MANIFEST, DIVISION, {"model.b"}) == {
        "seed.of_both",
        "model.calendar",
        "seed.of_calendar",
    }
    assert read_of_no_pipeline(MANIFEST, DIVISION, {"model.b", "seed.of_both", "model.calendar"}) == {
        "seed.of_calendar"
    }
    # its own upstream models are built by their pipelines
    assert read_of_no_pipeline(MANIFEST, DIVISION, {"model.above_both"}) == set()
