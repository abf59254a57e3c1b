"""``train``: a translation and a registration are learned from a cohort."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..cohorts.cohort import read_cohort
from ..cohorts.methods import NETWORKS, TRANSLATIONS
from ..cohorts.reading import Reading
from ..cohorts.resuming import check_same, identity, remember
from ..cohorts.start import learn_start
from ..cohorts.training import Learned, learn_registration, learn_translation, translated_all
from ..devices import prepare
from ..errors import InputError
from ..outputs import held, staged, whole, write_json
from ..progress import SILENT, Progress
from ..provenance import Record
from ..weights import Part, Role, Weights, read_weights, write_weights

if TYPE_CHECKING:
    from .. import pipeline
    from ..devices import Device

PLAN = "training.json"
CHECKPOINTS = "checkpoints"


def run(
    *,
    out: Path,
    cohort: Path,
    resume: bool = False,
    translation: str = "acmt",
    registration: str = "anatomy-aware",
    preset: pipeline.Preset = "fast",
    published: bool = False,
    iterations: int | None = None,
    initial: str = "none",
    seed: int = 0,
    device: Device = "auto",
    threads: int | None = None,
    progress: Progress = SILENT,
) -> Record:
    """Train on all pairs of a cohort and write ``weights.safetensors``, the losses and the reports to ``out``.

    Where eight cases have labels, boxes drawn around their glands teach where glands lie in such boxes too, unless the
    program's own finder knows more of such glands.

    While it runs it is kept in ``out/checkpoints``; a training that was cancelled or killed goes on from there, to the
    very result that it would have had without the break.

    Args:
        out: folder for all of it.
        cohort: CSV of the cohort; see :func:`~MR2USProLib.cohorts.cohort.read_cohort`.
        resume: go on with the training that ``out`` holds.
        translation: ``acmt``, ``pmt``, ``unsb`` or ``none``.
        registration: ``anatomy-aware``, ``fsdiffreg``, ``diffusemorph`` or ``voxelmorph``.
        preset: size of the networks' grid.
        published: train a translation of the sizes and the schedule of UNSB's paper.
        iterations: of every training; as many as suit the cohort if not given.
        initial: the start of cases without labels.
        seed: of the boxes and all networks.
        device: where the networks run.
        threads: at most so many.
        progress: told about every iteration.

    Raises:
        InputError: the cohort or a method is none, a file cannot be read, or ``out`` holds another training.
        Cancelled: the user asked to stop.
    """
    if iterations is not None and iterations < 1:
        raise InputError("Nothing is learned in fewer than one iteration: give --iterations 1 or more.")
    for option, chosen, known in (
        ("--translation", translation, TRANSLATIONS),
        ("--registration", registration, NETWORKS),
    ):
        if chosen not in known:
            raise InputError(f"There is no method '{chosen}' ({option}): choose one of {', '.join(known)}.")
    if published and translation == "none":
        raise InputError("The published schedule is that of a translation: drop --published, or --translation none.")
    from ..registration.finder_training import LEAST_PAIRS
    from ..registration.initial import named_file

    cases = read_cohort(cohort)
    place = prepare(device, threads)
    settings = {
        "translation": translation,
        "registration": registration,
        "preset": preset,
        "published": published,
        "iterations": iterations,
        "initial": initial,
        "seed": seed,
    }
    mine = identity(settings, cases)
    if check_same(out / PLAN, mine, "a training") and not resume:
        raise InputError(f"{out} holds this training already: go on with --resume, or give another folder with --out.")
    pose, pose_file = named_file(initial)
    parameters = {**settings, "initial": pose, "device": place, "threads": threads}
    record = Record("train", parameters, {"cohort": cohort, "initial": pose_file})
    with held(out):
        reading = Reading(preset, initial, seed)
        pairs = reading.pairs(cases, progress.named("Read"))
        remember(out / PLAN, mine)
        kept = _Kept(out / CHECKPOINTS, iterations, seed, place)
        learned: dict[Role, Learned] = {}
        if translation != "none":
            with record.timed("translation"):
                learned["translation"] = kept.learned(
                    "translation",
                    lambda how: learn_translation(translation, pairs, published=published, **how),
                    progress.named("Translation"),
                )
        part = learned["translation"].part if learned else None
        learning = progress.named("Registration")
        with record.timed("registration"):
            seen = translated_all(translation, pairs, part, device=place, progress=learning.part(0.0, 0.1))
            images = [picture.images(pair) for picture, pair in zip(seen, pairs, strict=True)]
            learned["registration"] = kept.learned(
                "registration", lambda how: learn_registration(registration, images, **how), learning.part(0.1, 1.0)
            )
        finder: Part | None = None
        if sum(case.has_labels for case in cases) >= LEAST_PAIRS:
            with record.timed("finder"):
                learning = progress.named("Start")
                boxed = reading.boxed(cases, learning.part(0.0, 0.1))
                finder = learn_start(boxed, iterations=iterations, seed=seed, progress=learning.part(0.1, 1.0))
        _write(out, learned, finder, record, len(cases))
    return record


@dataclass(frozen=True)
class _Kept:
    """The folder in which trainings are kept, and how they are done."""

    folder: Path
    iterations: int | None
    seed: int
    device: str

    def learned(self, role: Role, learn: Callable[[Mapping], Learned], progress: Progress) -> Learned:
        """What a training gave that is finished, or else gives now, going on from its checkpoint."""
        weights, history = self.folder / f"{role}.safetensors", self.folder / f"{role}_losses.json"
        if weights.is_file() and history.is_file():
            progress.report(1.0)
            told = json.loads(history.read_text("utf-8"))
            losses = {  # JSON has no NaN, and null in its place
                name: [float("nan") if value is None else value for value in values]
                for name, values in told["history"].items()
            }
            return Learned(read_weights(weights).parts[role], losses, told["complaint"])
        how = {
            "iterations": self.iterations,
            "checkpoint": self.folder / f"{role}.checkpoint",
            "seed": self.seed,
            "device": self.device,
            "progress": progress,
        }
        found = learn(how)
        with whole(history) as draft:
            write_json(draft, {"history": dict(found.history), "complaint": found.complaint})
        with whole(weights) as draft:  # last: with it the training is finished
            write_weights(draft, Weights({role: found.part}))
        return found


def _write(out: Path, learned: Mapping[Role, Learned], finder: Part | None, record: Record, cases: int) -> None:
    from ..report.charts import loss_curves
    from ..report.page import Section, render
    from .sections import facts

    parts: dict[Role, Part] = {role: one.part for role, one in learned.items()}
    if finder is not None:
        parts["finder"] = finder
    told = {**record.parameters, "cases": cases}
    complaints = [one.complaint for one in learned.values() if one.complaint]
    verdict = " ".join(complaints) or f"Trained on {cases} pairs; no sign of collapse was found."
    sections = []
    with staged(out) as folder:
        write_weights(folder / "weights.safetensors", Weights(parts, told))
        for role, one in learned.items():
            picture = loss_curves(one.history)
            (folder / f"losses_{role}.png").write_bytes(picture.png)
            _write_losses(folder / f"losses_{role}.csv", one.history)
            text = one.complaint or f"{one.part.method}: {len(next(iter(one.history.values())))} iterations."
            sections.append(Section(role.capitalize(), (text,), (picture,)))
        record.results = {"complaints": complaints, "cases": cases}
        (folder / "report.html").write_text(render("A training", verdict, sections, facts(record)), "utf-8")
        write_json(folder / "report.json", record.as_dict())


def _write_losses(path: Path, history: Mapping[str, Sequence[float]]) -> None:
    """A line for every iteration; a figure that was taken less often leaves the rest of its column empty."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["iteration", *history])
        for n in range(max(map(len, history.values()))):
            table.writerow([n + 1, *(f"{of[n]:.6g}" if n < len(of) else "" for of in history.values())])
