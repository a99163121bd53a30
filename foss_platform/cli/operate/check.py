"""`foss check`: check offline whether the project's files can be used. See `foss validate` for the services."""

import json
import os
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from foss_platform.cli.shared.pages import all_pages
from foss_platform.cli.shared.terminal import output
from foss_platform.errors import ConfigurationError

if TYPE_CHECKING:
    from foss_platform.ingest.page.problems import PageProblem


def check(
    page: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PAGE]...", help="Pages to check: a folder of `defs`, or a page's file."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Check the project's files and report all problems at once. Exit with code 1 if there is a problem."""
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
    outdated = [] if page else _outdated_files()
    if as_json:
        typer.echo(json.dumps([asdict(problem) for problem in [*problems, *outdated]], indent=2))
    else:
        for problem in [*problems, *outdated]:
            output().print(f"[red]✗[/] {escape(str(problem))}", soft_wrap=True)
        broken = sum(bool(one.problems) for one in pages)
        verdict = (
            f"[red]{broken} of {len(pages)} pages broken.[/]"
            if broken
            else f"[green]{len(pages)} pages, no problem.[/]"
        )
        output().print(verdict)
    raise typer.Exit(1 if problems or outdated else 0)


def _outdated_files() -> "list[PageProblem]":
    from foss_platform.ingest.page.problems import PageProblem
    from foss_platform.new_project.platform_files import outdated_files
    from foss_platform.settings import load_settings

    settings = load_settings()
    installed = f"foss-platform {version('foss-platform')}"
    folder = Path(os.path.relpath(settings.dbt_project, settings.project)).as_posix()
    remedy = f"Run `foss init --update {os.path.relpath(settings.project)}`."
    return [
        PageProblem(
            f"{folder}/{path}", 1, "", f"This file of the platform is not the one of the installed {installed}.", remedy
        )
        for path in outdated_files(settings.dbt_project)
    ]
