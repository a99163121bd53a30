"""`foss check`: check offline whether the project's files can be used. See `foss validate` for the services."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from foss_platform.cli.shared.pages import all_pages
from foss_platform.cli.shared.terminal import output
from foss_platform.errors import ConfigurationError


def check(
    page: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PAGE]...", help="Pages to check: a folder of `defs`, or a page's file."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Check the project's pages and report all problems at once. Exit with code 1 if there is a problem."""
    pages = all_pages()
    if page:
        wanted = {one.as_posix().removesuffix("/defs.yaml").rstrip("/") for one in page}
        chosen = [one for one in pages if any(f"/defs/{one.folder}".endswith(f"/{want}") for want in wanted)]
        if not chosen:
            raise ConfigurationError(
                f"There is no page {', '.join(sorted(wanted))}.",
                f"Known pages: {', '.join(one.folder for one in pages) or 'none yet'}.",
            )
        pages = chosen
    problems = [problem for one in pages for problem in one.problems]
    if as_json:
        typer.echo(json.dumps([asdict(problem) for problem in problems], indent=2))
    else:
        for problem in problems:
            output().print(f"[red]✗[/] {escape(str(problem))}", soft_wrap=True)
        broken = sum(bool(one.problems) for one in pages)
        verdict = (
            f"[red]{broken} of {len(pages)} pages broken.[/]"
            if broken
            else f"[green]{len(pages)} pages, no problem.[/]"
        )
        output().print(verdict)
    raise typer.Exit(1 if problems else 0)
