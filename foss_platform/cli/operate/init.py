"""`foss init`: create a project for a team's own pipelines. See `new_project` for its files."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer
from rich.markup import escape

from foss_platform.cli.shared.terminal import messages, output
from foss_platform.errors import ConfigurationError
from foss_platform.new_project.project_files import project_files, project_name

#: What a new project's folder may contain already.
_ACCEPTED = frozenset({".git"})


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to create. It must be empty if it exists.")],
    example: Annotated[bool, typer.Option("--example/--no-example", help="Include the parking example.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the files. Write nothing.")] = False,
) -> None:
    """Create a project: pages, models, tests, Makefile and image of your own, on the installed platform."""
    files = project_files(project_name(folder.absolute()), example=example)
    _refuse_used(folder)
    if dry_run:
        for path in files:
            typer.echo(folder / path)
        messages().print(f"{len(files)} files, nothing was written")
        return
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
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
