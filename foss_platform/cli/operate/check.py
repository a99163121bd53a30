"""`foss check`: check offline whether the project's pages and dbt models can be used.

See `foss validate` for the services.
"""

import json
import os
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from foss_platform.cli.shared.pages import all_pages
from foss_platform.cli.shared.terminal import messages, output
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
    """Check the project's files and report all problems at once. Exit with code 1 if there is a problem.

    Only the pages are checked if PAGE is given.
    """
    pages, of_dbt = all_pages(), [] if page else _dbt_problems()
    if page:
        wanted = {one.as_posix().removesuffix("/defs.yaml").rstrip("/") for one in page}
        chosen = [one for one in pages if any(f"/defs/{one.folder}".endswith(f"/{want}") for want in wanted)]
        if not chosen:
            raise ConfigurationError(
                f"There is no page {', '.join(sorted(wanted))}.",
                f"Known pages: {', '.join(one.folder for one in pages) or 'none yet'}.",
            )
        pages = chosen
    outdated = [] if page else _outdated_files()
    problems = [*(problem for one in pages for problem in one.problems), *of_dbt, *outdated]
    if as_json:
        typer.echo(json.dumps([asdict(problem) for problem in problems], indent=2))
    else:
        for problem in problems:
            output().print(f"[red]✗[/] {escape(str(problem))}", soft_wrap=True)
        broken = sum(bool(one.problems) for one in pages)
        verdicts = [f"{broken} of {len(pages)} pages broken" if broken else f"{len(pages)} pages without a problem"]
        if not page:
            count = f"{len(of_dbt)} problem{'s' if len(of_dbt) > 1 else ''}"
            verdicts.append(f"{count} in the dbt project" if of_dbt else "the dbt project parses")
        output().print(f"[{'red' if problems else 'green'}]{'; '.join(verdicts)}.[/]")
    raise typer.Exit(1 if problems else 0)


def _dbt_problems() -> "list[PageProblem]":
    """Return why the dbt project does not parse, and the nodes that the platform does not build."""
    from foss_platform.ingest.page.problems import PageProblem
    from foss_platform.settings import load_settings
    from foss_platform.transform.project.manifest import manifest_of, read_subset
    from foss_platform.transform.project.parsed import ParseError, prepare_project

    settings = load_settings()
    folder = settings.dbt_project.name
    try:
        with messages().status("parsing the dbt project …"):
            project = prepare_project(settings)
    except ParseError as error:
        problem = error.found
    except ConfigurationError as error:
        return [PageProblem(folder, 1, "", error.problem, error.remedy)]
    else:
        if project.problem is None:
            refused = read_subset(project, manifest_of(project)).refused.values()
            return [
                PageProblem(f"{folder}/{one.file}", one.line, "", f"The {one.what} {one.problem}.", one.remedy)
                for one in refused
            ]
        problem = project.problem
    return [PageProblem(f"{folder}/{problem.file}", problem.line, "", f"dbt: {problem.text}.", "")]


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
