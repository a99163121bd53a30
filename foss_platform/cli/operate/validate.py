"""`foss validate`: check each configured service. See `validation` for the checks."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foss_platform.cli.shared.terminal import VERDICTS, messages, output, table_of
from foss_platform.errors import ConfigurationError
from foss_platform.validation.results import Service, Status

if TYPE_CHECKING:
    from foss_platform.validation.results import Check, Result

_VERDICTS = {**VERDICTS, "skipped": "[dim]- skipped[/]"}


def validate(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    only: Annotated[
        Service | None, typer.Option("--only", help="Check only this service, and the checks that it depends on.")
    ] = None,
) -> None:
    """Check that every service answers and does what the platform needs. All objects written by checks are removed."""
    from dataclasses import asdict

    from foss_platform.settings import load_settings
    from foss_platform.validation.suite import chosen, works
    from foss_platform.validation.suite import validate as run_checks
    from foss_platform.validation.trial import new_trial

    try:
        settings = load_settings()
        trial = new_trial(settings)
    except ConfigurationError as error:
        if as_json:
            _print_json(os.environ.get("FOSS_ENVIRONMENT", ""), [_unread(error)])
        raise
    with messages().status("validating …") as status:

        def show(check: "Check") -> None:
            status.update(f"{check.service}: {check.name} …")

        results = list(run_checks(trial, chosen(only), show))
    if as_json:
        _print_json(settings.environment, [asdict(result) for result in results])
    else:
        _print_table(results)
    raise typer.Exit(0 if works(results) else 1)


def _print_table(results: "list[Result]") -> None:
    from rich.markup import escape

    rows = [
        (result.service, result.name, _VERDICTS[result.status], f"{result.seconds:.2f}", escape(result.detail))
        for result in results
    ]
    console = output()
    console.print(table_of("", ("service", "check", "result", "s", "finding"), rows, right=("s",)))
    for result in results:
        if result.remedy:
            console.print(f"\n[bold]{result.name}[/]: {escape(result.detail)}", soft_wrap=True)
            console.print(f"  → {escape(result.remedy)}", soft_wrap=True)
    counts = {status: sum(result.status is status for result in results) for status in Status}
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    console.print(f"\n{told} in {sum(result.seconds for result in results):.1f} s")


def _unread(error: ConfigurationError) -> dict[str, Any]:
    """Return the result of the only check that could run, in the form of the other checks' results."""
    from foss_platform.validation.checks.settings_checks import SETTINGS_WHOLE
    from foss_platform.validation.redaction import redact, secrets_among

    secrets = secrets_among({}, os.environ)
    return {
        "name": SETTINGS_WHOLE,
        "service": Service.SETTINGS,
        "status": Status.FAILED,
        "seconds": 0.0,
        "detail": redact(error.problem, secrets),
        "remedy": redact(error.remedy, secrets),
        "blocks": True,
    }


def _print_json(environment: str, results: Sequence[Mapping[str, Any]]) -> None:
    import json

    document = {
        "works": all(result["status"] != Status.FAILED for result in results),
        "environment": environment,
        "checked_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(sum(result["seconds"] for result in results), 3),
        "results": results,
    }
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
