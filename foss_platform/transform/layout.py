"""The table layout in a model's configuration, for every engine."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from foss_platform.errors import ConfigurationError
from foss_platform.lake.build.derived import DerivedLayout
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import TablePolicy


def model_layout(name: TableName, config: Mapping[str, Any]) -> DerivedLayout:
    """Return the key, the time column and the maintenance policy of a model's table.

    Parameters
    ----------
    config
        dbt's `config` of the node: `unique_key`, `prune_by` and `meta.foss.maintenance`.

    Raises
    ------
    ConfigurationError
        If `meta.foss.maintenance` is invalid.
    """
    key = config.get("unique_key")
    try:
        policy = TablePolicy(**((config.get("meta") or {}).get("foss") or {}).get("maintenance", {}))
    except (TypeError, ValidationError) as error:
        raise ConfigurationError(
            f"meta.foss.maintenance of the model {name} is invalid: {str(error).splitlines()[0]}.",
            "docs/PIPELINES.md lists its options.",
        ) from error
    return DerivedLayout((key,) if isinstance(key, str) else tuple(key or ()), config.get("prune_by"), policy)
