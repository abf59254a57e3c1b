"""slicer.packaging where Slicer's own is not at hand: which Python packages a module needs, and asking for them."""

import importlib.metadata
import pathlib
import tomllib
from collections.abc import Sequence
from typing import Any

import slicer
from packaging.requirements import Requirement


def load_requirements(path: str | pathlib.Path) -> list[Requirement]:
    """The requirements in a text file with one to a line."""
    lines = (line.partition("#")[0].strip() for line in pathlib.Path(path).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def load_pyproject_dependencies(path: str | pathlib.Path) -> list[Requirement]:
    """The project's dependencies in a pyproject.toml."""
    project = tomllib.loads(pathlib.Path(path).read_text())["project"]
    return [Requirement(text) for text in project.get("dependencies", [])]


def _listed(requirements: Any) -> list[Requirement]:
    given = [requirements] if isinstance(requirements, (str, Requirement)) else list(requirements)
    return [item if isinstance(item, Requirement) else Requirement(item) for item in given]


def pip_check(req: Any) -> bool:
    """Whether all requirements are met."""
    for requirement in _listed(req):
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            return False
        if not requirement.specifier.contains(version, prereleases=True):
            return False
    return True


def pip_install(requirements: Any, **options: Any) -> None:
    """Install packages; the stand-in application puts its own in this place, for tests install nothing."""
    raise NotImplementedError


def pip_ensure(
    requirements: Any,
    constraints: Any = None,
    skip_packages: Sequence[str] | None = None,
    prompt_install: bool = True,
    prompt_restart: bool = True,
    requester: str | None = None,
    skip_in_testing: bool = True,
    show_progress: bool = True,
) -> None:
    """Ask for the user's consent to install what is missing, and install it. Raises RuntimeError when declined."""
    if skip_in_testing and slicer.app.testingEnabled():
        return
    missing = [requirement for requirement in _listed(requirements) if not pip_check(requirement)]
    if not missing:
        return
    names = ", ".join(str(requirement) for requirement in missing)
    if prompt_install and not slicer.util.confirmOkCancelDisplay(f"{requester or 'A module'} needs {names}. Install?"):
        raise RuntimeError(f"Installation of {names} was declined")
    slicer.packaging.pip_install(missing, constraints=constraints, skip_packages=skip_packages)
