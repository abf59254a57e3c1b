"""The registration of the pair at hand: by self-similarity, or by a network that is fitted to it, trained, or both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import InputError
from ..progress import SILENT, Progress
from ..weights import Part
from . import SELF_SIMILARITY
from .anatomy_aware import INCOMPRESSIBLE, AnatomyAware
from .methods import method_of, named
from .pair import FittedDeformation, Images
from .self_similarity import register_by_self_similarity
from .training import FieldListener, Trained, loaded, register_with, train
from .uncertainty import uncertainty_mm


def check_options(name: str, part: Part | None, *, refine: bool, incompressible: bool) -> None:
    """See that a registration has a use for its options, before the minutes that a translation takes.

    Raises:
        InputError: it has none.
    """
    if part is None and not refine:
        raise InputError(f"There is no trained {name} to take as it is: give --weights, or drop --no-refine.")
    if incompressible and name != SELF_SIMILARITY and not (name == AnatomyAware.name and refine):
        raise InputError("Only self-similarity and a fit of anatomy-aware can hold the volume: drop --incompressible.")


def register_pair(
    images: Images,
    name: str,
    part: Part | None = None,
    *,
    refine: bool = True,
    incompressible: bool = False,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
    on_field: FieldListener = lambda field: None,
) -> FittedDeformation:
    """The deformation between two pictures, with its uncertainty where the method knows one.

    Args:
        images: the pair.
        name: the method.
        part: its trained network, as :meth:`..weights.Weights.part` gives it; one is fitted to the pair if not given.
        refine: whether a trained network is fitted to the pair for a few iterations more.
        incompressible: whether the fit holds the volume of the tissue, softly.
        seed: of the fit and of the samples.
        device: ``cpu`` or ``cuda``.
        progress: told about each iteration.
        on_field: offered the field of the moment.

    Raises:
        Cancelled: the user asked to stop.
        InputError: there is no such method, an option means nothing here, or the network diverged.
    """
    check_options(name, part, refine=refine, incompressible=incompressible)
    found, trained = deform(
        images,
        name,
        part,
        refine=refine,
        incompressible=incompressible,
        seed=seed,
        device=device,
        progress=progress.part(0.0, 0.95),
        on_field=on_field,
    )
    if trained is not None:  # self-similarity tells its own uncertainty
        if not np.isfinite(found.displacement).all():
            raise InputError(f"The network of {name} diverged: choose another --registration, or other --weights.")
        sampling = progress.part(0.95, 1.0)
        sure = uncertainty_mm(trained, images, found.displacement, seed=seed, device=device, progress=sampling)
        found = replace(found, uncertainty_mm=sure)
    progress.report(1.0)
    return found


def deform(
    images: Images,
    name: str,
    part: Part | None = None,
    *,
    refine: bool = True,
    iterations: int | None = None,
    incompressible: bool = False,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
    on_field: FieldListener = lambda field: None,
) -> tuple[FittedDeformation, Trained | None]:
    """The deformation alone, whether it holds numbers or not, and the network that gave it; None for self-similarity.

    Arguments and errors are those of :func:`register_pair`, but nothing is wrong about a pair that is not to be refined
    and has no trained network: one is fitted. ``iterations`` are of such a fit; as many as suit one pair if not given.
    """
    if name == SELF_SIMILARITY:
        found = register_by_self_similarity(
            images, incompressible=incompressible, device=device, progress=progress, on_field=on_field
        )
        return found, None
    method = method_of(part).refining() if part is not None else named(name)()
    if part is None and iterations is not None:
        method = type(method)(replace(method.settings, iterations=iterations))
    if incompressible and isinstance(method, AnatomyAware):
        method = AnatomyAware(replace(method.settings, lambda_volume=INCOMPRESSIBLE))
    if part is not None and not refine:
        progress.report(0.0, "Registering")
        trained = loaded(part, device=device)
    else:
        trained = train(method, [images], start=part, seed=seed, device=device, progress=progress, on_field=on_field)
    found = replace(register_with(trained, images, device=device), history=trained.history)
    progress.report(1.0)
    return found, trained
