"""What a cohort teaches, and what is done with it on a pair: the stages of the pipeline, for many pairs.

A translation is learned from pairs at their start, a registration from those pairs translated. Where there is nothing
learned, both are fitted to the pair at hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..progress import SILENT, Progress
from ..volume import Volume
from .methods import CLASSICAL

if TYPE_CHECKING:
    from ..pipeline import Pair
    from ..registration.pair import Images
    from ..translation.collapse import Health
    from ..weights import Part


@dataclass(frozen=True)
class Learned:
    """A network and how it was learned.

    Attributes:
        part: the network, for a file of weights.
        history: every figure at every iteration, by name.
        complaint: what is wrong with it, in a sentence; empty where nothing is.
    """

    part: Part
    history: Mapping[str, list[float]]
    complaint: str = ""


@dataclass(frozen=True)
class TranslatedPair:
    """Both images in the modality in which they are registered.

    Attributes:
        mr, us: (k, j, i) float32 in [-1, 1].
        health: what the translation was measured to be; None where there was none.
    """

    mr: NDArray[np.float32]
    us: NDArray[np.float32]
    health: Health | None = None

    def images(self, pair: Pair) -> Images:
        """As the registration takes them."""
        from ..registration.pair import Images

        return Images(self.mr, self.us, pair.valid, pair.us.grid.spacing_mm)


def learn_translation(
    name: str,
    pairs: Sequence[Pair],
    *,
    published: bool = False,
    iterations: int | None = None,
    checkpoint: Path | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> Learned:
    """Train a translation on pairs; with a checkpoint it goes on from there.

    Args:
        name: ``acmt``, ``pmt`` or ``unsb``.
        pairs: those of the training patients, at their start.
        published: with the sizes and the schedule of UNSB's paper, for a graphics card, instead of small ones.
        iterations: of the training; as many as suit a cohort if not given.
        checkpoint: a file in which the training is kept while it runs.
        seed: of all that is random.
        device: of torch.
        progress: told about every iteration.

    Raises:
        Cancelled: the user asked to stop.
        InputError: bad pictures, or a checkpoint of another training.
    """
    from ..translation import training
    from ..translation.cohort import Example

    settings, schedule = training.published(name, device) if published else (None, training.MANY_PAIRS)  # type: ignore[arg-type]
    trained = training.train(
        name,  # type: ignore[arg-type]  # the caller chose from the names
        [Example(pair.mr.array, pair.us.array, pair.valid) for pair in pairs],
        settings=settings,
        schedule=schedule if iterations is None else replace(schedule, iterations=iterations),
        checkpoint=checkpoint,
        seed=seed,
        device=device,
        progress=progress,
    )
    return Learned(trained.part(), trained.history, " ".join(trained.health.reasons))


def translated(
    name: str,
    pair: Pair,
    part: Part | None,
    *,
    iterations: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> TranslatedPair:
    """A pair in the modality in which it is registered: translated by a trained network, or by one fitted to it.

    Args:
        name: ``acmt``, ``pmt``, ``unsb``, or ``none`` for the pair as it is with its grey levels in [-1, 1].
        pair: at its start.
        part: the trained network; without one, one is fitted to the pair.
        iterations: of that fit; as many as suit one pair if not given.
        seed: of all that is random.
        device: of torch.
        progress: told about every iteration.

    Raises:
        Cancelled: the user asked to stop.
        InputError: bad pictures.
    """
    from .. import pipeline
    from ..weights import Weights

    if name == "none":
        progress.report(1.0)
        seen = pipeline.pictures(pair)
        return TranslatedPair(seen.moving, seen.fixed)
    found = pipeline.translate(
        pair,
        method=name,  # type: ignore[arg-type]  # the caller chose from the names
        weights=None if part is None else Weights({"translation": part}),
        iterations=iterations,
        seed=seed,
        device=device,
        progress=progress,
    )
    return TranslatedPair(found.mr, found.us, found.health)


def translated_all(
    name: str, pairs: Sequence[Pair], part: Part | None, *, device: str = "cpu", progress: Progress = SILENT
) -> list[TranslatedPair]:
    """Pairs translated by one trained network (or by none, as :func:`translated` takes ``none``), in their order."""
    count = len(pairs)
    return [
        translated(name, pair, part, device=device, progress=progress.part(n / count, (n + 1) / count))
        for n, pair in enumerate(pairs)
    ]


def learn_registration(
    name: str,
    images: Sequence[Images],
    *,
    iterations: int | None = None,
    checkpoint: Path | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> Learned:
    """Train a registration on translated pairs; the arguments and errors are those of :func:`learn_translation`."""
    import torch

    from ..registration.methods import named
    from ..registration.training import train

    method = named(name).for_cohort(len(images))
    if iterations is not None:
        method = type(method)(replace(method.settings, iterations=iterations))
    trained = train(method, images, checkpoint=checkpoint, seed=seed, device=device, progress=progress)
    sound = all(bool(torch.isfinite(tensor).all()) for tensor in trained.part().tensors.values())
    complaint = "" if sound else f"The training of {name} diverged: its network holds no numbers and is of no use."
    return Learned(trained.part(), trained.history, complaint)


def deformed(
    name: str,
    pair: Pair,
    translation: TranslatedPair,
    part: Part | None,
    *,
    iterations: int | None = None,
    refine: bool = True,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> Volume:
    """The displacement (k, j, i, 3) in mm LPS beyond the start, on the pair's grid, fixed to moving.

    Args:
        name: of a network, or ``self-similarity``, ``simpleitk`` or ``demons``, which have none.
        pair: at its start.
        translation: what the registration sees.
        part: the trained network; without one, one is fitted to the pair.
        iterations: of that fit; as many as suit one pair if not given.
        refine: whether the trained network is fitted to the pair for a few iterations more.
        seed: of all that is random.
        device: of torch.
        progress: told about every iteration.

    Raises:
        Cancelled: the user asked to stop.
        InputError: there is no such registration.
    """
    from ..registration.classical import register_classically
    from ..registration.demons import register_by_demons
    from ..registration.fitting import deform

    grid = pair.us.grid
    if name in CLASSICAL:
        both = Volume(translation.mr, grid), Volume(translation.us, grid)
        if name == "simpleitk":
            return register_classically(*both, pair.valid, seed=seed, progress=progress)
        return register_by_demons(*both, pair.valid, progress=progress)
    found, _ = deform(
        translation.images(pair),
        name,
        part,
        refine=refine,
        iterations=iterations,
        seed=seed,
        device=device,
        progress=progress,
    )
    return Volume(grid.voxels_to_mm(found.displacement), grid)
