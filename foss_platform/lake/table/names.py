"""Names of namespaces and tables, importable without Iceberg."""

from dataclasses import dataclass

NAMESPACES = ("bronze", "silver", "gold", "ops")


@dataclass(frozen=True)
class TableName:
    """A table's namespace and name, e.g. `silver.parking_readings`."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}.{self.name}"

    @property
    def identifier(self) -> tuple[str, str]:
        """The name as a PyIceberg identifier."""
        return (self.namespace, self.name)
