"""Reports a check's verdict outside of the step that owns the check."""

import dagster as dg


def evaluation_of(verdict: dg.AssetCheckResult) -> dg.AssetCheckEvaluation:
    """Return a verdict as an event, for a step or sensor that does not own the check. It must name asset and check."""
    assert verdict.asset_key is not None
    assert verdict.check_name is not None
    return dg.AssetCheckEvaluation(
        asset_key=verdict.asset_key,
        check_name=verdict.check_name,
        passed=verdict.passed,
        severity=verdict.severity,
        description=verdict.description,
        metadata=verdict.metadata,
    )
