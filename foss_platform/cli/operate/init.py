"""`foss init`: create a project for a team's own pipelines. See `new_project` for its files."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer
from rich.markup import escape

from foss_platform.cli.shared.terminal import messages, output
from foss_platform.errors import ConfigurationError
from foss_platform.new_project.platform_files import outdated_files
from foss_platform.new_project.project_files import project_files, project_name
from foss_platform.project import is_project
from foss_platform.transform.dbt_package import link_package

#: Names that the folder of a new project may already contain.
_ACCEPTED = frozenset({".git"})


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to create. It may be an empty one.")],
    example: Annotated[bool, typer.Option("--example/--no-example", help="Include the parking example.")] = True,
    update: Annotated[
        bool, typer.Option("--update", help="Write the platform's own files into an existing project after an upgrade.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the files. Write nothing.")] = False,
) -> None:
    """Create a project: pages, models, tests, Makefile and image of your own, on the installed platform."""
    if update:
        _update(folder, dry_run=dry_run)
        return
    files = project_files(project_name(folder.absolute()), example=example)
    _refuse_used(folder)
    if dry_run:
        for path in files:
            typer.echo(folder / path)
        messages().print(f"{len(files)} files, nothing was written")
        return
    _write(folder, files)
    link_package(folder / "dbt_project")
    console = output()
    console.print(f"Created {len(files)} files in [bold]{escape(str(folder))}[/]: {_summary(files)}.", soft_wrap=True)
    console.print("Next:")
    enter = f"cd {folder}"
    steps = {
        enter: "",
        **({"make demo": "run the parking example once, from feed to report"} if example else {}),
        "make test": "check the pages, load the graph, run the tests",
        "make dev": "Dagster's UI at http://127.0.0.1:3000",
    }
    for command, meaning in steps.items():
        console.print(f"  [bold]{escape(command)}[/]{'   # ' + meaning if meaning else ''}", soft_wrap=True)
    console.print("README.md describes the project and how to add a pipeline.")


def _update(folder: Path, *, dry_run: bool) -> None:
    if not is_project(folder):
        raise ConfigurationError(f"{folder} is not a project.", "Create one with `foss init`, without --update.")
    files = {"dbt_project" / path: content for path, content in outdated_files(folder / "dbt_project").items()}
    for path in files:
        typer.echo(folder / path)
    if dry_run:
        messages().print(f"{len(files)} files, nothing was written")
        return
    _write(folder, files)
    output().print(f"{len(files)} files updated. Review the changes, then run the tests." if files else "Up to date.")


def _write(folder: Path, files: Mapping[PurePosixPath, bytes]) -> None:
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _refuse_used(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"{folder} is not a folder.", "Name a new or an empty folder.")
    if folder.exists() and (found := sorted({file.name for file in folder.iterdir()} - _ACCEPTED)):
        raise ConfigurationError(
            f"{folder} is not empty: it contains {found[0]}{' and more' if found[1:] else ''}.",
            "Name a new or an empty folder.",
        )


def _summary(files: Iterable[PurePosixPath]) -> str:
    counts = Counter(f"{path.parts[0]}/" if path.parts[1:] else path.name for path in files)
    return ", ".join(f"{name} ({count})" if name.endswith("/") else name for name, count in counts.items())
