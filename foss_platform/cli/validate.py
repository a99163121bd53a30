"""`foss validate`: each service of the environment as configured. Not here: the checks (`validation`)."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from foss_platform.cli.terminal import VERDICTS, messages, output, table_of
from foss_platform.validation.results import Service, Status

if TYPE_CHECKING:
    from foss_platform.settings import Settings
    from foss_platform.validation.results import Check, Result

_VERDICTS = {**VERDICTS, "skipped": "[dim]- skipped[/]"}


def validate(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    only: Annotated[
        Service | None, typer.Option("--only", help="Check this service alone, with what its checks need.")
    ] = None,
) -> None:
    """Check that every service answers and does what the platform asks of it; leaves nothing behind."""
    from foss_platform.settings import load_settings
    from foss_platform.validation.suite import chosen, works
    from foss_platform.validation.suite import validate as run_checks
    from foss_platform.validation.trial import new_trial

    settings = load_settings()
    trial = new_trial(settings)
    with messages().status("validating …") as status:

        def show(check: "Check") -> None:
            status.update(f"{check.service}: {check.name} …")

        results = list(run_checks(trial, chosen(only), show))
    if as_json:
        _print_json(settings, results)
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
    console.print(table_of("", ("service", "check", "result", "s", "what was found"), rows, right=("s",)))
    for result in results:
        if result.remedy:
            console.print(f"\n[bold]{result.name}[/]: {escape(result.detail)}", soft_wrap=True)
            console.print(f"  → {escape(result.remedy)}", soft_wrap=True)
    counts = {status: sum(result.status is status for result in results) for status in Status}
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    console.print(f"\n{told} in {sum(result.seconds for result in results):.1f} s")


def _print_json(settings: "Settings", results: "list[Result]") -> None:
    import json
    from dataclasses import asdict

    from foss_platform.validation.suite import works

    document = {
        "works": works(results),
        "environment": settings.environment,
        "checked_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(sum(result.seconds for result in results), 3),
        "results": [asdict(result) for result in results],
    }
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
