"""The supported subset of dbt, checked on small manifests."""

from typing import Any

import pytest

from foss_platform.transform.supported.supported_dbt import Subset, supported_subset


def node(name: str, *upstream: str, kind: str = "model", **config: Any) -> dict[str, Any]:
    """Return a node of a dbt manifest. `language` and `schema` belong to the node, other keys to its configuration."""
    language, schema = config.pop("language", "sql"), config.pop("schema", "gold")
    return {
        "resource_type": kind,
        "name": name,
        "alias": config.pop("alias", name),
        "schema": schema,
        "language": language,
        "original_file_path": f"models/{name}.{'py' if language == 'python' else 'sql'}",
        "patch_path": "project://models/page.yml",
        "depends_on": {"nodes": list(upstream)},
        # dbt writes these two with a hyphen
        "config": {"materialized": "table", **{key.replace("_hook", "-hook"): value for key, value in config.items()}},
    }


def judged(*nodes: dict[str, Any], adapter: str = "duckdb", **files: str) -> Subset:
    manifest = {
        "metadata": {"adapter_type": adapter},
        "nodes": {f"{given['resource_type']}.p.{given['name']}": given for given in nodes},
    }
    return supported_subset(manifest, lambda path: files.get(path.rpartition("/")[2].replace(".", "_"), ""))


@pytest.mark.parametrize(
    ("refused", "says", "instead"),
    [
        (node("m", language="python"), "is a Python model", "Write it in SQL"),
        (node("m", kind="snapshot", materialized="snapshot"), "is a snapshot", "incremental model"),
        (node("m", materialized="materialized_view"), "'materialized_view'", "materialized='table'"),
        (node("m", materialized="external"), "'external'", "foss sql --output"),
        (node("m", contract={"enforced": True}), "its columns are not listed", "data_type"),
        (node("m", materialized="of_our_own"), "'of_our_own'", "'table' or 'incremental'"),
        (node("m", materialized="incremental"), "without a unique_key", "key"),
        (node("m", materialized="incremental", unique_key="a", incremental_strategy="append"), "'append'", "Remove"),
        (node("m", materialized="incremental", unique_key="a", incremental_strategy="microbatch"), "'microb", "Remove"),
        (node("m", materialized="incremental", unique_key="a", merge_update_columns=["b"]), "merge_update", "Remove"),
        (node("m", schema="bronze"), "namespace 'bronze'", "silver, gold"),
        (node("m", kind="seed", materialized="seed", schema="ops"), "namespace 'ops'", "silver, gold"),
        (node("m", alias="a b"), "alias 'a b'", "letters"),
        (node("m", database="other"), "database 'other'", "one lake"),
    ],
)
def test_unsupported_node_is_refused_with_an_alternative(refused: dict[str, Any], says: str, instead: str) -> None:
    subset = judged(refused, node("sound"))
    (remark,) = subset.refused.values()
    assert (remark.unique_id, remark.file) == (f"{refused['resource_type']}.p.m", refused["original_file_path"])
    assert says in remark.problem
    assert instead in remark.remedy
    assert subset.reason("model.p.sound") == ""


def test_nodes_downstream_of_a_refused_node_are_left_out() -> None:
    subset = judged(
        node("over", "model.p.between"),
        node("between", "snapshot.p.states", materialized="ephemeral"),
        node("states", "model.p.first", kind="snapshot", materialized="snapshot"),
        node("first", "source.p.bronze"),
        node("not_null_over", "model.p.over", kind="test", materialized="test"),
        node("not_null_first", "model.p.first", kind="test", materialized="test"),
    )
    assert subset.refused.keys() == {"snapshot.p.states"}
    assert subset.below.keys() == {"model.p.over", "model.p.between", "test.p.not_null_over"}
    assert "snapshot states" in subset.reason("test.p.not_null_over")


@pytest.mark.parametrize(
    ("given", "adapter", "says"),
    [
        (node("m", materialized="view"), "duckdb", "is built as a table"),
        (node("m", materialized="view"), "trino", "is built as a table"),
        (node("m", grants={"select": ["x"]}), "trino", "grants"),
        (node("m", post_hook=[{"sql": "analyze"}]), "duckdb", "hooks"),
        (node("m", post_hook=[{"sql": "analyze"}]), "trino", ""),
        (node("m", partition_by="day"), "duckdb", "partition_by"),
        (
            node("m", materialized="incremental", unique_key="a", on_schema_change="sync_all_columns"),
            "duckdb",
            "only in a full refresh",
        ),
        (node("m", kind="test", materialized="test", store_failures=True), "duckdb", "does not store"),
        (node("m", materialized="ephemeral"), "duckdb", ""),
        (node("m", materialized="incremental", unique_key="a", on_schema_change="fail"), "duckdb", ""),
        (node("m", materialized="incremental", unique_key="a", incremental_strategy="merge"), "trino", ""),
    ],
)
def test_difference_from_dbt_is_reported(given: dict[str, Any], adapter: str, says: str) -> None:
    subset = judged(given, adapter=adapter)
    assert not subset.refused
    assert [says in notice.problem for notice in subset.notices] == [True] * bool(says)


def test_reported_line_is_in_the_file_that_sets_the_option() -> None:
    view, python, snapshot = node("v", materialized="view"), node("p", language="python"), node("s", kind="snapshot")
    own = judged(view, v_sql="\n\n{{ config(\n  materialized='view') }}").notices[0]
    assert (own.file, own.line) == ("models/v.sql", 4)
    page = "models:\n  - name: w\n    config: {materialized: table}\n  - name: v\n    config: {materialized: view}\n"
    paged = judged(view, v_sql="select 1", page_yml=page).notices[0]
    assert (paged.file, paged.line) == ("models/page.yml", 5)
    default = judged(view, v_sql="select 1", dbt_project_yml="name: p\nmodels:\n  +materialized: view\n").notices[0]
    assert (default.file, default.line) == ("dbt_project.yml", 3)
    nowhere = judged(view, v_sql="select 1").notices[0]
    assert (nowhere.file, nowhere.line) == ("models/v.sql", 1)
    refused = judged(python, snapshot, p_py="import x\ndef model(dbt, session):", s_sql="--\n{% snapshot s %}").refused
    assert [remark.line for remark in refused.values()] == [2, 2]
