"""One job: what to do, with what, in which folder; and what it left there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ..outputs import write_json
from ..progress import Progress

STAGES: dict[str, dict[str, float]] = {
    "environment": {"Look": 1.0},
    "inspect": {"Read": 1.0},
    "read": {"Read": 1.0},
    "simulate": {"Simulate": 1.0},
    "stitch": {"Read": 0.02, "Stitch": 0.98},
    "fill": {"Read": 0.02, "Place": 0.03, "Fill": 0.95},
    "translate": {"Translate": 1.0},
    "register": {"Paint slices": 0.04, "Translate": 0.48, "Register": 0.48},
}
"""The kinds of jobs, each a module of ``commands``, with the stages that they report and the share of the time that
each usually takes."""

JOB_FILE = "job.json"
MANIFEST_FILE = "manifest.json"
RESULTS = "results"


@dataclass(frozen=True)
class Job:
    """What a worker is asked to do.

    Attributes:
        kind: one of :data:`STAGES`.
        parameters: keyword arguments of the command's ``run``, files as strings.
        folder: the job's own folder, where it finds ``job.json`` and leaves ``results/`` and ``manifest.json``.
    """

    kind: str
    parameters: Mapping[str, Any]
    folder: Path

    def write(self) -> Path:
        """Make the folder and its ``job.json``; the path of that file.

        Raises:
            OSError: the folder cannot be written.
            ValueError: no such kind of job.
        """
        if self.kind not in STAGES:
            raise ValueError(f"'{self.kind}' is no kind of job.")
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / JOB_FILE
        path.write_text(json.dumps({"kind": self.kind, "parameters": dict(self.parameters)}, default=str), "utf-8")
        return path

    @staticmethod
    def read(path: Path) -> Job:
        """The job that a ``job.json`` describes."""
        content = json.loads(path.read_text("utf-8"))
        return Job(content["kind"], content["parameters"], path.parent)

    @property
    def results(self) -> Path:
        """Where the command puts its files."""
        return self.folder / RESULTS

    def run(self, progress: Progress) -> dict[str, Any]:
        """Do it, in this process; the command's figures."""
        command = import_module(f"..commands.{self.kind}", __package__)
        found = command.run(out=self.results, **self.parameters, progress=progress)
        if isinstance(found, tuple):  # what the command made, and the record of how
            return dict(found[-1].results)
        return found if isinstance(found, dict) else {}

    def conclude(self, results: Mapping[str, Any]) -> None:
        """Leave the manifest: without it a job is not done."""
        files = sorted(p.relative_to(self.results).as_posix() for p in self.results.rglob("*") if p.is_file())
        draft = self.folder / f"{MANIFEST_FILE}.draft"
        write_json(draft, {"kind": self.kind, "results": results, "files": files})
        draft.replace(self.folder / MANIFEST_FILE)

    def manifest(self) -> dict[str, Any] | None:
        """What the job says that it left, None where it left no manifest or a file of it is missing."""
        try:
            content = json.loads((self.folder / MANIFEST_FILE).read_text("utf-8"))
            whole = content["kind"] == self.kind and all((self.results / name).is_file() for name in content["files"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return content if whole else None
