"""What a model's configuration says of its table, whichever engine builds it. Not here: making the table."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from foss_platform.errors import ConfigurationError
from foss_platform.lake.build.derived import DerivedLayout
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import TablePolicy


def model_layout(name: TableName, config: Mapping[str, Any]) -> DerivedLayout:
    """The key, column of time and maintenance of a model's table.

    Parameters
    ----------
    config
        dbt's `config` of the node: `unique_key`, `prune_by` and `meta.foss.maintenance`.

    Raises
    ------
    ConfigurationError
        When the maintenance is not understood.
    """
    key = config.get("unique_key")
    try:
        policy = TablePolicy(**((config.get("meta") or {}).get("foss") or {}).get("maintenance", {}))
    except (TypeError, ValidationError) as error:
        raise ConfigurationError(
            f"meta.foss.maintenance of the model {name} is not understood: {str(error).splitlines()[0]}.",
            "docs/PIPELINES.md lists what it may say.",
        ) from error
    return DerivedLayout((key,) if isinstance(key, str) else tuple(key or ()), config.get("prune_by"), policy)
