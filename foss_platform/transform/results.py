"""What became of dbt's nodes, as plain results in the platform's words. Not here: running dbt."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from foss_platform.engine import Engine
from foss_platform.errors import FossError, LastingError
from foss_platform.settings import Settings


class NodeStatus(StrEnum):
    """How a node ended, in dbt's words."""

    SUCCESS = "success"
    PASS = "pass"  # noqa: S105  # not a password
    WARN = "warn"
    FAIL = "fail"
    ERROR = "error"
    SKIPPED = "skipped"
    NO_OP = "no-op"

    @property
    def is_failure(self) -> bool:
        """Whether the build as a whole has failed because of it."""
        return self in (NodeStatus.FAIL, NodeStatus.ERROR, NodeStatus.SKIPPED)


@dataclass(frozen=True)
class NodeResult:
    """What became of one node.

    Attributes
    ----------
    failures
        Rows that a test found; None for other nodes.
    message
        dbt's message, for tests and errors; the platform's where it has words for it.
    is_lasting
        Whether another try would end the same.
    query_id
        What an engine that is another's process calls the statement that built the table; else empty.
    is_step
        Whether that statement merged rows into those that stood.
    """

    unique_id: str
    status: NodeStatus
    seconds: float
    failures: int | None
    message: str
    is_lasting: bool = False
    query_id: str = ""
    is_step: bool = False


def node_result(settings: Settings, data: Any) -> NodeResult:
    """A node's result from the event by which dbt says that it ended."""
    run = data.run_result
    is_test = data.node_info.resource_type == "test"
    status, message = NodeStatus(data.node_info.node_status), str(run.message)
    error = failure_of_engine(settings, message) if status is NodeStatus.ERROR else None
    return NodeResult(
        unique_id=data.node_info.unique_id,
        status=status,
        seconds=float(run.execution_time),
        failures=int(run.num_failures) if is_test else None,
        message=message if error is None else str(error),
        # a test would find the same rows again
        is_lasting=status is NodeStatus.FAIL or isinstance(error, LastingError),
        query_id=str(dict(run.adapter_response).get("query_id", "")),
        is_step=message.startswith("MERGE"),
    )


def failure_of_engine(settings: Settings, text: str) -> FossError | None:
    """What dbt's text says of an engine that is another's process; None where it says nothing of one."""
    if settings.engine is not Engine.TRINO:
        return None
    from foss_platform.transform.trino_failures import failure_in

    return failure_in(settings, text)
