"""The subset of dbt's language that the platform supports, judged on a manifest.

These are pure functions. A caller that wants line numbers passes a function that reads files. A refused node and all
nodes downstream of it are left out of every build. The other nodes are built. While the project does not parse, nodes
whose files have changed are held back: they and all nodes downstream of them are left out, too.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from foss_platform.lake.table.names import NAMESPACES
from foss_platform.transform.supported.node_files import changed_file
from foss_platform.transform.supported.project_lines import TextOf, place

_BUILT = frozenset({"table", "incremental", "ephemeral", "view"})
#: Namespaces that polls or the platform itself write to, or that the engines use.
_RESERVED = frozenset({"bronze", "ops", "reference", "foss_state", "main", "information_schema"})
_ALTERNATIVES = {
    "snapshot": "Bronze keeps every poll with its time: write the history as an incremental model over it.",
    "python": "Write it in SQL, or compute it outside of dbt and load the result as a feed or a seed.",
    "function": "Write the expression as a macro.",
    "materialized_view": "Use materialized='table', which each run updates.",
    "external": "Use materialized='table', and export files with `foss sql --output`.",
}
_COLUMNS = "List its columns with name and data_type in a YAML file, or set contract={'enforced': false} in its config."
_STRATEGIES = "Remove incremental_strategy: new rows replace those with the same unique_key (docs/PIPELINES.md)."
#: Settings of dbt's own strategies that choose rows or columns. The platform's strategy would build a different table.
_ROW_SETTINGS = ("incremental_predicates", "merge_update_columns", "merge_exclude_columns", "merge_clauses")
_CHANGED = "has changed since the dbt project last parsed"
_LAYOUT = ("partition_by", "partitioned_by", "cluster_by", "sort", "dist", "indexes", "properties", "table_properties")


@dataclass(frozen=True)
class Diagnostic:
    """A problem of one node. `what` is the node's kind and name. `file` and `line` are the place of the cause."""

    unique_id: str
    what: str
    file: str
    line: int
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"The {self.what} ({self.file}:{self.line}) {self.problem}. {self.remedy}".strip()


@dataclass(frozen=True)
class Subset:
    """The supported part of a project.

    Attributes
    ----------
    refused
        For each refused node: the reason why it is not built.
    held_back
        For each node whose file has changed since the project last parsed: a diagnostic that names the file. The node
        is built again when the project parses.
    below
        For each node downstream of a refused or held-back node: the diagnostic of that upstream node.
    notices
        Nodes that are built, but not as dbt would build them.
    """

    refused: Mapping[str, Diagnostic]
    held_back: Mapping[str, Diagnostic]
    below: Mapping[str, Diagnostic]
    notices: tuple[Diagnostic, ...]

    def reason(self, unique_id: str) -> str:
        """Return why a node is not built. Empty if it is built."""
        if remark := self.refused.get(unique_id) or self.held_back.get(unique_id):
            return str(remark)
        if remark := self.below.get(unique_id):
            return f"Not built: it depends on the {remark.what}, which is not built either."
        return ""


def supported_subset(
    manifest: Mapping[str, Any], text_of: TextOf = lambda _: "", changed: Collection[str] = ()
) -> Subset:
    """Judge every enabled node of a manifest.

    Parameters
    ----------
    changed
        The project's files that have changed since the manifest was made. Nodes from these files are held back.
    """
    nodes: dict[str, Any] = {**manifest["nodes"], **manifest.get("functions", {})}
    engine = str(manifest["metadata"].get("adapter_type"))
    refused: dict[str, Diagnostic] = {}
    notices: list[Diagnostic] = []
    for unique_id, node in nodes.items():
        for key, problem, remedy in _problems(node):
            file, line = place(node, key, text_of)
            refused.setdefault(unique_id, Diagnostic(unique_id, _named(node), file, line, problem, remedy))
        if unique_id not in refused:
            for key, problem, remedy in _peculiarities(node, engine):
                file, line = place(node, key, text_of)
                notices.append(Diagnostic(unique_id, _named(node), file, line, problem, remedy))
    held_back = {
        unique_id: Diagnostic(unique_id, _named(node), file, 1, _CHANGED, "It is built again when the project parses.")
        for unique_id, node in nodes.items()
        if unique_id not in refused and (file := changed_file(manifest, unique_id, changed))
    }
    left_out, below = {**held_back, **refused}, dict[str, Diagnostic]()
    for unique_id in nodes:
        cause = _left_out_upstream(nodes, left_out, unique_id, below, set())
        if cause is not None and unique_id not in left_out:
            below[unique_id] = cause
    return Subset(refused, held_back, below, tuple(notices))


def _named(node: Mapping[str, Any]) -> str:
    return f"{node['resource_type']} {node['name']}"


def _problems(node: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the reasons why a node is not built, each as (word to look for in the project's files, problem, remedy)."""
    kind, config = node["resource_type"], node.get("config", {})
    if kind in ("snapshot", "function"):
        yield kind, f"is a {kind}, which the platform does not build", _ALTERNATIVES[kind]
        return
    if kind not in ("model", "seed"):
        return
    if node.get("language") == "python":
        yield "def model", "is a Python model, which the platform does not run", _ALTERNATIVES["python"]
        return
    materialized = str(config.get("materialized"))
    has_contract = materialized != "ephemeral" and (config.get("contract") or {}).get("enforced")
    if kind == "model" and has_contract and not node.get("columns"):
        yield "contract", "has an enforced contract, but its columns are not listed", _COLUMNS
    if kind == "model" and materialized not in _BUILT:
        instead = _ALTERNATIVES.get(materialized, "Use materialized='table' or 'incremental'.")
        yield "materialized", f"is materialized as {materialized!r}, which the platform does not build", instead
    if materialized == "incremental":
        strategy = config.get("incremental_strategy")
        if strategy not in (None, "default", "merge"):
            yield "incremental_strategy", f"asks for the incremental strategy {strategy!r}", _STRATEGIES
        if not config.get("unique_key"):
            yield "materialized", "is incremental without a unique_key", "Name the columns of its key."
        for setting in _ROW_SETTINGS:
            if config.get(setting):
                yield setting, f"sets {setting}, which the platform does not follow", _STRATEGIES
    if materialized != "ephemeral":
        yield from _misplaced(node)


def _misplaced(node: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    schema, alias = str(node["schema"]), str(node.get("alias") or node["name"])
    if schema in _RESERVED:
        free = ", ".join(name for name in NAMESPACES if name not in _RESERVED)
        yield (
            "schema",
            f"is in the namespace {schema!r}, which is reserved",
            f"Use {free} or one of your own.",
        )
    for key, text in (("schema", schema), ("alias", alias)):
        if not re.fullmatch(r"[A-Za-z0-9_]+", text):
            yield key, f"has the {key} {text!r}", "Use letters, digits and underscores."
    if node["config"].get("database"):
        yield (
            "database",
            f"is in the database {node['config']['database']!r}",
            "Remove database: there is one lake.",
        )


def _peculiarities(node: Mapping[str, Any], engine: str) -> Iterator[tuple[str, str, str]]:
    """Yield the differences from dbt's build, each as (word to look for in the project's files, difference, remedy)."""
    kind, config = node["resource_type"], node.get("config", {})
    if kind == "operation" and engine == "duckdb":
        yield "on-run-", "runs in DuckDB's memory and changes nothing in the lake", "Remove it."
    if kind == "test" and config.get("store_failures") and engine == "duckdb":
        yield "store_failures", "does not store the rows that it finds", "Query them with `foss sql`."
    if kind not in ("model", "seed") or config.get("materialized") == "ephemeral":
        return
    if config.get("materialized") == "view":
        yield (
            "materialized",
            "is a view, but is built as a table",
            "Set materialized='table', or 'ephemeral' for a query without a table.",
        )
    if config.get("grants"):
        yield "grants", "has grants, which are not applied", "Give rights in the catalog, store or Trino's rules."
    if engine == "duckdb" and (config.get("pre-hook") or config.get("post-hook")):
        yield "hook", "has hooks, which run in DuckDB's memory and change nothing in the lake", "Remove them."
    if config.get("materialized") == "incremental" and config.get("on_schema_change") in (
        "append_new_columns",
        "sync_all_columns",
    ):
        yield "on_schema_change", "changes its columns only in a full refresh", "Run `foss rebuild` after a change."
    if names := [name for name in _LAYOUT if config.get(name)]:
        remedy = "To sort the table's rows by a time column, set prune_by to that column."
        yield names[0], f"sets {', '.join(names)}, which the platform ignores", remedy


def _left_out_upstream(
    nodes: Mapping[str, Any],
    left_out: Mapping[str, Diagnostic],
    unique_id: str,
    known: Mapping[str, Diagnostic],
    seen: set[str],
) -> Diagnostic | None:
    """Return the diagnostic of the first upstream node that is refused or held back. None if there is none."""
    for upstream in _upstream(nodes[unique_id]):
        if upstream in left_out:
            return left_out[upstream]
        if upstream in known:
            return known[upstream]
        if upstream in nodes and upstream not in seen:
            seen.add(upstream)
            if (cause := _left_out_upstream(nodes, left_out, upstream, known, seen)) is not None:
                return cause
    return None


def _upstream(node: Mapping[str, Any]) -> list[str]:
    depends = node.get("depends_on", {})
    return [*depends.get("nodes", []), *depends.get("functions", [])]
