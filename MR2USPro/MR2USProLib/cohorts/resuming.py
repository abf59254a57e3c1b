"""What tells one long piece of work on a cohort from another, so that none goes on in the folder of another."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import InputError
from ..outputs import whole, write_json
from ..provenance import fingerprint
from .cohort import Case


def identity(settings: Mapping[str, Any], cases: Sequence[Case]) -> dict[str, Any]:
    """Everything that decides the results: settings, version, and all files by their hashes, as names may be patients'.

    So patients are told apart by their place in the alphabet, on which the split into folds depends.

    Args:
        settings: by name; numbers, texts, truths or None. ``initial`` may name the file of a start.
        cases: the cohort.

    Raises:
        InputError: the file of the start does not exist.
    """
    from ..registration.initial import named_file

    initial, start = named_file(settings["initial"])
    if start is not None and not start.is_file():
        raise InputError(f"The start {start} does not exist: correct --initial.")
    cohort, patients = {}, sorted({case.patient for case in cases})
    for case in sorted(cases, key=lambda case: case.name):
        hashes = {role: fingerprint(file)["sha256"] for role, file in case.files.items() if file is not None}
        cohort[case.name] = {"patient": patients.index(case.patient), **hashes}
    return {
        "settings": {**settings, "initial": initial, "version": __version__},
        "start": None if start is None else fingerprint(start)["sha256"],
        "cohort": cohort,
    }


def check_same(path: Path, mine: Mapping[str, Any], what: str) -> bool:
    """See that a folder holds the work that is meant, or none; whether it holds it.

    Args:
        path: where :func:`remember` wrote.
        mine: what :func:`identity` gives.
        what: the kind of work, for people.

    Raises:
        InputError: it holds another.
    """
    if not path.is_file():
        return False
    try:
        there = json.loads(path.read_text("utf-8"))
        settings, cohort = dict(there["settings"]), there["cohort"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read: give another folder with --out.") from error
    for name, value in mine["settings"].items():
        if settings.get(name) != value:
            raise InputError(
                f"{path.parent} holds {what} {_worded(name, settings.get(name))}, and this one is "
                f"{_worded(name, value)}: give the same settings to go on, or another folder with --out."
            )
    if there.get("start") != mine["start"]:
        raise InputError(
            f"{path.parent} holds {what} whose start (--initial) was another file, or that file as it was before: give "
            "the same to go on, or another folder with --out."
        )
    if cohort != mine["cohort"]:
        raise InputError(f"{path.parent} holds {what} of another cohort: give another folder with --out.")
    return True


def remember(path: Path, mine: Mapping[str, Any]) -> None:
    """Write down what the folder holds from now on."""
    with whole(path) as draft:
        write_json(draft, mine)


def _worded(name: str, value: object) -> str:
    """A setting as the option that sets it."""
    if name == "version":
        return f"of version {value}"
    if name == "refine":  # the option says that it is not done
        name, value = "no_refine", not value
    option = f"--{name.replace('_', '-')}"
    if value is None or isinstance(value, bool):
        return f"{'with' if value else 'without'} {option}"
    return f"with {option} {value}"
