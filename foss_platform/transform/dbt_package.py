"""The platform's dbt package (`foss_platform/dbt_package`), linked into the folder where dbt looks for packages.

A link needs no update after an upgrade, and dbt itself links local packages. Run `python -m
foss_platform.transform.dbt_package` to create the link in an image, or before dbt is first started by hand.
"""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from foss_platform.errors import ConfigurationError

PACKAGE = Path(__file__).resolve().parent.parent / "dbt_package"
#: The package's name in dbt, which macros begin with: `foss_platform.is_step()`.
PACKAGE_NAME = "foss_platform"


def link_package(dbt_project: Path) -> None:
    """Make sure that dbt finds the installed version of the package in this dbt project.

    Raises
    ------
    ConfigurationError
        If the link is missing and cannot be created.
    """
    link = dbt_project / "dbt_packages" / PACKAGE_NAME
    if link.is_symlink() and link.resolve() == PACKAGE:
        return
    try:
        link.parent.mkdir(exist_ok=True)
        if link.is_dir() and not link.is_symlink():
            # a copy would not be updated, so a link replaces it
            shutil.rmtree(link)
        # another process may read the link, so replace it in one step. Create the new link where dbt does not look for
        # packages
        new = dbt_project / f".{PACKAGE_NAME}-{uuid.uuid4().hex}"
        new.symlink_to(PACKAGE, target_is_directory=True)
        new.replace(link)
    except OSError as error:
        raise ConfigurationError(
            f"The platform's dbt package cannot be linked as {link}: {error.strerror}.",
            "Run `python -m foss_platform.transform.dbt_package` as the owner of the project.",
        ) from None


def package_files() -> Iterator[Path]:
    """Yield the package's files, in a fixed order."""
    yield from sorted(file for file in PACKAGE.rglob("*") if file.is_file())


if __name__ == "__main__":
    from foss_platform.settings import load_settings

    link_package(load_settings().dbt_project)
