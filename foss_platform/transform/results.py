"""The results of dbt's nodes, in the platform's terms."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from foss_platform.engine import Engine
from foss_platform.errors import FossError, PermanentError
from foss_platform.settings import Settings


class NodeStatus(StrEnum):
    """The outcome of a node, in dbt's terms."""

    SUCCESS = "success"
    PASS = "pass"  # noqa: S105  # not a password
    WARN = "warn"
    FAIL = "fail"
    ERROR = "error"
    SKIPPED = "skipped"
    NO_OP = "no-op"

    @property
    def is_failure(self) -> bool:
        """Return whether this outcome makes the whole build fail."""
        return self in (NodeStatus.FAIL, NodeStatus.ERROR, NodeStatus.SKIPPED)


@dataclass(frozen=True)
class NodeResult:
    """The result of one node.

    Attributes
    ----------
    failures
        Rows that a test found. None for other nodes, and for a test that did not run.
    message
        dbt's message for tests and errors, or the platform's own message if it recognizes the error.
    is_permanent
        Whether another attempt would fail in the same way.
    query_id
        Trino's id of the statement that built the table. Empty for DuckDB.
    is_step
        Whether the statement merged an increment into the table.
    """

    unique_id: str
    status: NodeStatus
    seconds: float
    failures: int | None
    message: str
    is_permanent: bool = False
    query_id: str = ""
    is_step: bool = False


def node_result(settings: Settings, data: Any) -> NodeResult:
    """Return a node's result from dbt's event at its end."""
    run = data.run_result
    status, message = NodeStatus(data.node_info.node_status), str(run.message)
    has_run = data.node_info.resource_type == "test" and status in (NodeStatus.PASS, NodeStatus.WARN, NodeStatus.FAIL)
    error = failure_of_engine(settings, message) if status is NodeStatus.ERROR else None
    return NodeResult(
        unique_id=data.node_info.unique_id,
        status=status,
        seconds=float(run.execution_time),
        failures=int(run.num_failures) if has_run else None,
        message=message if error is None else str(error),
        # a retry is useless after a failed test, which would find the same rows again
        is_permanent=status is NodeStatus.FAIL or isinstance(error, PermanentError),
        query_id=str(dict(run.adapter_response).get("query_id", "")),
        is_step=message.startswith("MERGE"),
    )


def failure_of_engine(settings: Settings, text: str) -> FossError | None:
    """Return the failure of Trino that dbt's text describes. None for DuckDB, or if it describes something else."""
    if settings.engine is not Engine.TRINO:
        return None
    from foss_platform.transform.trino_failures import failure_in

    return failure_in(settings, text)
