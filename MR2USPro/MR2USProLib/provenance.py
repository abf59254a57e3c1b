"""What was run, with what, on what: enough to run it again, and nothing that names a patient or a machine."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from . import __version__

_LIBRARIES = ("numpy", "scipy", "SimpleITK", "opencv-python-headless", "pydicom", "scikit-learn", "torch", "monai")


@dataclass
class Record:
    """The account of one run, which becomes ``report.json``.

    Attributes:
        command: what was asked for.
        parameters: every setting with the value that was used. Files are left out: ``inputs`` has their hashes.
        inputs: role of each input file and its path, None where none was given (only hash and size are written).
        seconds: how long each stage took.
        results: figures and sentences of the stages.
    """

    command: str
    parameters: Mapping[str, Any]
    inputs: Mapping[str, str | Path | None]
    seconds: dict[str, float] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time that the block takes to the stage's."""
        start = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def as_dict(self) -> dict[str, Any]:
        """The record in plain types, with versions and hashes."""
        return {
            "command": self.command,
            "versions": versions(),
            "parameters": dict(self.parameters),
            "inputs": {role: fingerprint(path) for role, path in self.inputs.items() if path is not None},
            "seconds": {stage: round(seconds, 2) for stage, seconds in self.seconds.items()},
            "results": self.results,
        }


def versions() -> dict[str, str]:
    """Versions of this program, of Python, of the system and of the libraries that make the results."""
    found = {"MR2USPro": __version__, "Python": platform.python_version(), "system": platform.system()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def fingerprint(path: str | Path) -> dict[str, Any]:
    """SHA-256 and size of a file, or of all files in a folder. Names are left out: they often are names of patients.

    What begins with a dot is no part of a folder: file managers write such files as they please.
    """
    path, digest, size = Path(path), hashlib.sha256(), 0  # a job names its files by strings
    files = sorted(f for f in path.iterdir() if f.is_file() and f.name[0] != ".") if path.is_dir() else [path]
    for name in files:
        with name.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
                size += len(block)
    return {"sha256": digest.hexdigest(), "bytes": size}
