"""Where an experiment on a cohort keeps its pieces, and how they are read again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..outputs import whole, write_json
from ..volume import Volume
from ..weights import Part, Role, Weights, read_weights, write_weights
from .cohort import Case


@dataclass(frozen=True)
class StudyFiles:
    """The files of an experiment; each is there, whole, or not at all.

    Attributes:
        folder: that holds them.
    """

    folder: Path

    @property
    def identity(self) -> Path:
        """What tells this experiment from others."""
        return self.folder / "plan.json"

    def weights(self, fold: int, name: str) -> Path:
        """A network that a fold's training cases taught; ``name`` is a translation's or a method's."""
        return self.folder / "weights" / f"fold-{fold + 1}" / f"{name}.safetensors"

    def figures(self, case: Case, name: str) -> Path:
        """What was measured of a translation or a method on a case."""
        return self.folder / "cases" / case.name / f"{name}.json"

    def seen(self, case: Case, method: str) -> Path:
        """What a finder saw of a method's result on a case, which methods that are added later may bring."""
        return self.figures(case, f"{method}_seen")

    def image(self, case: Case, name: str, what: str) -> Path:
        """A picture that a translation or a method made of a case."""
        return self.folder / "cases" / case.name / f"{name}_{what}.nrrd"

    def keep_network(self, fold: int, name: str, role: Role, part: Part) -> None:
        """Write a network, after which its checkpoint is of no more use."""
        file = self.weights(fold, name)
        with whole(file) as draft:
            write_weights(draft, Weights({role: part}))
        checkpoint(file).unlink(missing_ok=True)

    def network(self, fold: int, name: str, role: Role) -> Part:
        """A network that was kept."""
        return read_weights(self.weights(fold, name)).parts[role]

    def keep_figures(self, case: Case, name: str, figures: Mapping[str, Any]) -> None:
        """Write what was measured; the last file of its piece."""
        with whole(self.figures(case, name)) as draft:
            write_json(draft, figures)

    def keep_seen(self, case: Case, method: str, overlaps: Mapping[str, float]) -> None:
        """Write what a finder saw."""
        self.keep_figures(case, f"{method}_seen", overlaps)

    def measured(self, case: Case, name: str) -> dict[str, Any]:
        """What was measured and kept, with what a finder saw where one looked.

        Raises:
            InputError: a file was damaged.
        """
        seen = self.seen(case, name)
        return _figures(self.figures(case, name)) | (_figures(seen) if seen.is_file() else {})

    def keep_image(self, case: Case, name: str, what: str, volume: Volume) -> None:
        """Write a picture."""
        with whole(self.image(case, name, what)) as draft:
            volume.write(draft)


def _figures(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise InputError(f"{file} is damaged: remove it, and the same call measures it anew.") from error


def checkpoint(weights: Path) -> Path:
    """Where the training of a network is kept while it runs."""
    return weights.with_suffix(".checkpoint")
