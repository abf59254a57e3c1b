"""The pair is translated (the paper's section III-B) and registered (III-C), and the original MR is warped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import SILENT, Progress
from ..registration import SELF_SIMILARITY, SURFACES
from ..volume import Volume
from .pairing import Pair

if TYPE_CHECKING:
    import SimpleITK as sitk

    from ..registration.guidance import Guidance
    from ..registration.pair import FittedDeformation, Images
    from ..registration.quality import Glands
    from ..translation.translating import Translation
    from ..weights import Weights

TranslationMethod = Literal["acmt", "pmt", "unsb"]
RegistrationMethod = Literal["self-similarity", "anatomy-aware", "fsdiffreg", "diffusemorph", "voxelmorph", "surfaces"]


@dataclass(frozen=True)
class Registration:
    """How the MR was brought onto the TRUS.

    Attributes:
        pair: what the networks saw, before translation.
        translation: both images in the intermediate modality; None where none was asked for.
        transform: fixed points to moving points, LPS mm, the initial alignment included.
        warped: the original MR on the TRUS volume's grid, interpolated once.
    """

    pair: Pair
    translation: Translation | None
    fitted: FittedDeformation
    transform: sitk.Transform
    warped: Volume

    def uncertainty(self) -> Volume | None:
        """Uncertainty of the deformation in mm on the pair's grid; None where the method knows none."""
        spread = self.fitted.uncertainty_mm
        return None if spread is None else Volume(spread, self.pair.us.grid)


def methods_for(
    translation: TranslationMethod | Literal["none", "auto"],
    registration: RegistrationMethod | Literal["auto"],
    weights: Weights | None = None,
) -> tuple[TranslationMethod | Literal["none"], RegistrationMethod]:
    """What ``auto`` stands for: the one place where that is decided.

    The registration is the trained one where there are weights of one, else self-similarity. Before a trained network
    goes what it was trained behind: the translation that the weights hold, or none. Before one that is fitted goes
    theirs, too, else ACMT, as in the paper; before anything else none.
    """
    learned = weights.parts if weights is not None else {}
    if registration == "auto":
        registration = learned["registration"].method if "registration" in learned else SELF_SIMILARITY  # type: ignore[assignment]
    if registration == SURFACES or (translation == "auto" and registration == SELF_SIMILARITY):
        translation = "none"
    elif translation == "auto" and "translation" in learned:
        translation = learned["translation"].method  # type: ignore[assignment]
    elif translation == "auto":
        translation = "none" if "registration" in learned else "acmt"
    return translation, registration  # type: ignore[return-value]


def pictures(pair: Pair, translated: Translation | None = None) -> Images:
    """A pair as registrations see it: translated, or with its own grey levels in [-1, 1]."""
    from ..registration.pair import Images
    from ..translation.masking import normalised

    seen = (
        (translated.mr, translated.us)
        if translated is not None
        else (normalised(pair.mr.array, pair.valid), normalised(pair.us.array, pair.valid))
    )
    return Images(*seen, pair.valid, pair.us.grid.spacing_mm)


def translate(
    pair: Pair,
    *,
    method: TranslationMethod = "acmt",
    weights: Weights | None = None,
    strict_paper: bool = False,
    sample: bool = False,
    iterations: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> Translation:
    """Take both images to one intermediate modality (UNSB: the MR to the US).

    Args:
        pair: the images.
        method: which networks and losses.
        weights: a trained network; without one, or where the weights have none for this, one is fitted to the pair.
        strict_paper: leave out what keeps ACMT's printed losses from collapsing.
        sample: draw one random translation, by the seed; otherwise all noise of the bridge is off.
        iterations: of the fit; as many as suit one pair if not given.
        seed: of the fit, and of that sample.
        device: of torch.
        progress: told about every iteration.

    Raises:
        InputError: a picture without contrast, weights of another method, or ``strict_paper`` where it has no meaning.
    """
    from ..translation.acmt import AcmtSettings
    from ..translation.training import ONE_PAIR, translate_pair
    from ..translation.translating import translate_with

    if strict_paper and (method != "acmt" or weights is not None):
        raise InputError("Only a fit of acmt has guards to leave out: drop --strict-paper, or --weights and --method.")
    both = pair.mr.array, pair.us.array, pair.valid
    trained = weights.part("translation", method) if weights is not None else None
    if trained is not None:
        return translate_with(trained, *both, seed=seed if sample else None, device=device, progress=progress)
    return translate_pair(
        *both,
        method=method,
        schedule=None if iterations is None else replace(ONE_PAIR, iterations=iterations),
        settings=AcmtSettings(strict_paper=True) if strict_paper else None,
        sample=sample,
        seed=seed,
        device=device,
        progress=progress,
    )


def register(
    mr: Volume,
    us: Volume,
    pair: Pair,
    *,
    translation: TranslationMethod | Literal["none", "auto"] = "auto",
    registration: RegistrationMethod | Literal["auto"] = "auto",
    weights: Weights | None = None,
    refine: bool = True,
    incompressible: bool = False,
    guidance: Guidance | None = None,
    glands: Glands | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> Registration:
    """Find the deformation on the pair, translated or not, and apply it to the original MR.

    Args:
        mr: the moving image.
        us: the fixed image.
        pair: both on the networks' grid.
        translation: what comes before; see :func:`methods_for` for ``auto``, here and there.
        registration: by what; before ``surfaces`` nothing is translated.
        weights: trained networks; what they do not hold is fitted to the pair.
        refine: whether a trained registration is fitted to the pair for a few iterations more.
        incompressible: hold the volume of the tissue, softly.
        guidance: masks of both glands and landmark pairs, which have the last word.
        glands: both, as they are seen in their boxes; self-similarity that would part them is not followed.
        seed: of the fits and of the samples.
        device: of torch.
        progress: told about the stages ``Translate`` and ``Register``.

    Raises:
        InputError: weights of another method, or an option that the method has no use for.
    """
    from ..registration.fitting import check_options, register_pair
    from ..registration.pair import FittedDeformation
    from ..registration.quality import PARTED_OVERLAP
    from ..registration.surfaces import led

    translation, registration = methods_for(translation, registration, weights)
    part = None if weights is None or registration == SURFACES else weights.part("registration", registration)
    check_options(registration, part, refine=refine, incompressible=incompressible)
    if registration == SURFACES:
        return _by_surfaces(mr, us, pair, guidance, progress.named("Register"))
    translated = None
    if translation != "none":
        translating = progress.named("Translate")
        translated = translate(
            pair, method=translation, weights=weights, seed=seed, device=device, progress=translating
        )
    registering = progress.named("Register").part(0.0, 0.9 if guidance is not None and guidance.leads else 1.0)
    fitted = register_pair(
        pictures(pair, translated),
        registration,
        part,
        refine=refine,
        incompressible=incompressible,
        seed=seed,
        device=device,
        progress=registering,
        on_field=lambda field: registering.preview(lambda: _deformed(pair.mr, field())),
    )
    if glands is not None and fitted.structure is not None and fitted.structure.followed:
        moved = _whole(us, pair, fitted)
        if glands.overlap(moved) < min(PARTED_OVERLAP, glands.overlap(pair.initial)):
            why = replace(fitted.structure, followed=False, parts_glands=True)
            fitted = FittedDeformation.still(pair.us.grid.shape, why)
    if guidance is not None:
        fitted = led(fitted, pair.us.grid, pair.initial, guidance, progress.named("Register").part(0.9, 1.0))
    return _applied(mr, us, pair, translated, fitted)


def _by_surfaces(mr: Volume, us: Volume, pair: Pair, guidance: Guidance | None, progress: Progress) -> Registration:
    """What masks and landmark pairs say, without any network."""
    from ..registration.pair import FittedDeformation
    from ..registration.surfaces import led

    if guidance is None or not guidance.leads:
        raise InputError(
            "A registration by surfaces needs something to go by: give --moving-mask and --fixed-mask, or "
            "--moving-points and --fixed-points, or choose another --registration."
        )
    fitted = led(FittedDeformation.still(pair.us.grid.shape), pair.us.grid, pair.initial, guidance, progress)
    return _applied(mr, us, pair, None, fitted)


def _applied(
    mr: Volume, us: Volume, pair: Pair, translated: Translation | None, fitted: FittedDeformation
) -> Registration:
    from ..registration.transforms import warp

    transform = _whole(us, pair, fitted)
    return Registration(pair, translated, fitted, transform, warp(mr, us.grid, transform))


def _whole(us: Volume, pair: Pair, fitted: FittedDeformation) -> sitk.Transform:
    """Fixed points to moving points, LPS mm: the start and the deformation behind it."""
    from ..registration.transforms import composite

    displacement = Volume(pair.us.grid.voxels_to_mm(fitted.displacement), pair.us.grid)
    return composite(pair.initial, displacement, us.grid)


def _deformed(mr: Volume, displacement: NDArray[np.float32]) -> Volume:
    """The MR on the networks' grid under a displacement in voxels, (k, j, i, 3) along (i, j, k)."""
    from scipy.ndimage import map_coordinates

    at = np.indices(mr.grid.shape, dtype=np.float32) + np.moveaxis(displacement, -1, 0)[::-1]
    return Volume(map_coordinates(mr.array, at, order=1, mode="nearest").astype(np.float32), mr.grid)
