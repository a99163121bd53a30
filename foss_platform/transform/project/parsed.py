"""The copy of the dbt project that last parsed. Everything that runs dbt uses this copy.

A project that does not parse therefore stops nothing: runs build from the last copy that parsed, except for the nodes
whose files have changed since (`manifest.read_subset`). A file that is edited during a run does not affect the run.

The folder `target` of a home contains:

- `current`: the name of the copy that parsed last;
- `<fingerprint>/project`, `manifest.json`, `partial_parse.msgpack`: a copy of the files, and dbt's results of parsing;
- `<fingerprint>/runs/<name>`: dbt's target folder for one run, so that runs in two processes do not interfere;
- `problem.json`: why the project's current files do not parse, so that not every run parses them again (4 s).
"""

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from foss_platform.errors import ConfigurationError
from foss_platform.settings import Settings
from foss_platform.transform.dbt_package import link_package
from foss_platform.transform.project.files import changed_files, copy_files, fingerprint
from foss_platform.transform.project.folders import dbt_folder, target_folder
from foss_platform.transform.project.invoke import parse
from foss_platform.transform.project.parse_problem import ParseProblem, parse_problem
from foss_platform.transform.project.run_folder import PARTIAL_PARSE, sweep

# more than one, because a process may have chosen an older copy and not have started its run yet
_COPIES_KEPT = 3


class ParseError(ConfigurationError):
    """The project does not parse, and this home has no version of it that parsed."""

    def __init__(self, found: ParseProblem, project: Path) -> None:
        super().__init__(str(found), f"Correct it in {project}.")
        self.found = found


@dataclass(frozen=True)
class ParsedProject:
    """A copy of the project that dbt has parsed.

    Attributes
    ----------
    folder
        The copy's folder in the home.
    problem
        Why the project's current files do not parse. None if the copy is up to date.
    changed
        The files that differ from the copy, relative to the project. Empty if the copy is up to date.
    """

    folder: Path
    problem: ParseProblem | None = None
    changed: frozenset[str] = frozenset()

    @property
    def files(self) -> Path:
        """The folder with the copy of the project's files."""
        return self.folder / "project"

    @property
    def manifest_file(self) -> Path:
        """dbt's manifest from parsing. Builds write manifests with fewer macros, to their own folders."""
        return self.folder / "manifest.json"


def prepare_project(settings: Settings) -> ParsedProject:
    """Return the copy to build from. Parse the project first if its files have changed (1 to 5 s).

    If two processes start together, one waits for the other instead of parsing at the same time.

    Raises
    ------
    ParseError
        If the project does not parse and no version of it has been parsed in this home.
    ConfigurationError
        If there is no project.
    """
    wanted = fingerprint(settings.dbt_project)
    # only dbt that is started by hand needs the link, because a copy contains the package itself: a failure is ignored
    with contextlib.suppress(ConfigurationError):
        link_package(settings.dbt_project)
    if (found := _known(settings, wanted)) is None:
        with _lock(dbt_folder(settings) / "prepare.lock"):
            if (found := _known(settings, wanted)) is None:
                found = _parse(settings, wanted)
    return found


def kept_project(settings: Settings) -> ParsedProject:
    """Return the copy that parsed last, without parsing. For dbt that was started by hand.

    Raises
    ------
    ConfigurationError
        If no version of the project has been parsed in this home.
    """
    if (current := _current(settings)) is None:
        raise ConfigurationError(f"The dbt project has not been parsed in {settings.home}.", "Run `foss check` first.")
    return ParsedProject(current)


def is_prepared(settings: Settings) -> bool:
    """Return whether `prepare_project` would return at once, without parsing and writing."""
    return _known(settings, fingerprint(settings.dbt_project)) is not None


def known_problem(settings: Settings) -> ParseProblem | None:
    """Return why the project's current files do not parse. None if they parse, or were not parsed yet."""
    try:
        found = _known(settings, fingerprint(settings.dbt_project))
    except ParseError as error:
        return error.found
    except ConfigurationError:
        return None
    return None if found is None else found.problem


def _known(settings: Settings, wanted: str) -> ParsedProject | None:
    """Return the copy to build from if the current files were already parsed, with or without success.

    None if they must be parsed first.
    """
    current = _current(settings)
    if current is not None and current.name == wanted:
        return ParsedProject(current)
    problem = _problem_file(settings)
    try:
        known = json.loads(problem.read_text())
        fingerprint_then, found = known["fingerprint"], ParseProblem(**known["problem"])
    except (OSError, ValueError, KeyError, TypeError):
        # missing, or damaged: the project is parsed again
        return None
    return _last_that_parsed(settings, found) if fingerprint_then == wanted else None


def _parse(settings: Settings, wanted: str) -> ParsedProject:
    target = target_folder(settings)
    # the copy exists if an edit was undone. It is not parsed again, because a run may be using it
    if not (target / wanted).exists():
        problem = _parse_copy(settings, wanted)
        if problem is not None:
            _write(_problem_file(settings), json.dumps({"fingerprint": wanted, "problem": asdict(problem)}))
            return _last_that_parsed(settings, problem)
    os.utime(target / wanted)
    _write(target / "current", wanted)
    _problem_file(settings).unlink(missing_ok=True)
    sweep(target, _COPIES_KEPT)
    return ParsedProject(target / wanted)


def _parse_copy(settings: Settings, wanted: str) -> ParseProblem | None:
    """Copy the project and parse the copy. The copy gets its final name when it has been parsed."""
    target, current = target_folder(settings), _current(settings)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="parsing-", dir=target, ignore_cleanup_errors=True) as name:
        folder = Path(name) / "copy"
        copy_files(settings.dbt_project, folder / "project")
        if current is not None and (current / PARTIAL_PARSE).exists():
            # dbt then parses only the files that have changed
            shutil.copyfile(current / PARTIAL_PARSE, folder / PARTIAL_PARSE)
        error = parse(settings, folder / "project", folder)
        if error is None:
            folder.rename(target / wanted)
            return None
        changed = changed_files(folder / "project", current / "project") if current is not None else frozenset[str]()
        return parse_problem(error, settings.dbt_project, folder / "project", changed)


def _last_that_parsed(settings: Settings, problem: ParseProblem) -> ParsedProject:
    if (current := _current(settings)) is None:
        raise ParseError(problem, settings.dbt_project)
    return ParsedProject(current, problem, changed_files(settings.dbt_project, current / "project"))


def _current(settings: Settings) -> Path | None:
    target = target_folder(settings)
    try:
        folder = target / (target / "current").read_text()
    except OSError:
        return None
    return folder if (folder / "manifest.json").exists() else None


def _problem_file(settings: Settings) -> Path:
    return target_folder(settings) / "problem.json"


def _write(file: Path, text: str) -> None:
    """Replace a file, so that a reader sees the old text or the new text."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.{os.getpid()}")
    new.write_text(text)
    new.replace(file)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
