"""The road from a biplane video and a T2 MR to a registered MR, stage by stage.

This is the paper in the order in which it runs: reconstruct (III-A), translate (III-B), register (III-C). Every front
end calls these functions; the stages know nothing of each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError
from .progress import SILENT, Progress
from .volume import Volume

if TYPE_CHECKING:
    import SimpleITK as sitk

    from .reconstruction.filling import FillingCheck
    from .reconstruction.mosaic import Stitching
    from .reconstruction.placement import Placement
    from .registration.finder import Found
    from .registration.pair import FittedDeformation
    from .translation.translating import Translation
    from .video.exam import Exam
    from .weights import Weights

Matcher = Literal["auto", "layers", "sift", "orb", "loftr"]
Fill = Literal["kriging", "dip", "linear", "none"]
Preset = Literal["fast", "balanced", "paper"]
TranslationMethod = Literal["acmt", "pmt", "unsb"]
RegistrationMethod = Literal["anatomy-aware", "fsdiffreg", "diffusemorph", "voxelmorph"]
VoxelSize = float | Sequence[float] | None
"""Edge of cubic voxels in mm, or the edges along x, y and z; None for the default."""

FINDER_WEIGHTS = Path(__file__).parent / "registration" / "finder.safetensors"
"""What boxes around the glands of 79 public pairs taught."""

FEWEST_SLICES = 6

OFFSET_DIGITS = 3
"""Decimals of an offset in px in the table of positions: what is placed at once lies where it lies step by step."""

SHAPES: dict[str, tuple[int, int, int]] = {"fast": (32, 64, 64), "balanced": (48, 96, 96), "paper": (64, 128, 128)}
"""Voxels (k, j, i) of the grid on which the networks work; the last is the paper's."""


@dataclass(frozen=True)
class FilledVolume:
    """A TRUS volume.

    Attributes:
        placement: the transverse frames where they belong, and the gaps between them.
        volume: the same without gaps.
        filling: how well the gaps were filled; None where nothing was filled or it could not be scored.
    """

    placement: Placement
    volume: Volume
    filling: FillingCheck | None


@dataclass(frozen=True)
class Reconstruction(FilledVolume):
    """A TRUS volume and the stitching that it came from."""

    stitching: Stitching


@dataclass(frozen=True)
class Pair:
    """MR and TRUS on the grid on which the networks work.

    Attributes:
        mr, us: float32 volumes on one grid; ``initial`` carried the MR there.
        valid: (k, j, i) where both images really show something.
        initial: fixed (TRUS) points to moving (MR) points, LPS mm, before any deformation.
    """

    mr: Volume
    us: Volume
    valid: NDArray[np.bool_]
    initial: sitk.Transform

    @property
    def preparation(self) -> tuple[str, ...]:
        """What was done to both images before any network sees them, for the report."""
        size, spacing = self.us.grid.size, self.us.grid.spacing_mm
        return (
            "Both were resampled in the region to {} x {} x {} voxels".format(*size)
            + " of {:.2f} x {:.2f} x {:.2f} mm, blurred to that size first.".format(*spacing),
            "The bias field of the MR was divided out (N4).",
            f"What only one of them shows is kept out of every loss: {1 - self.valid.mean():.0%} of the region.",
            "Their grey levels from the 1st to the 99th percentile of the rest become -1 to 1.",
        )


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
        """Standard deviation of the deformation in mm on the pair's grid; None where the method knows none."""
        spread = self.fitted.uncertainty_mm
        return None if spread is None else Volume(spread, self.pair.us.grid)

    def uncertainty_at(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """That standard deviation at points (n, 3) of the TRUS, LPS mm; NaN outside what was registered."""
        from scipy.ndimage import map_coordinates

        points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
        spread = self.uncertainty()
        if spread is None:
            return np.full(len(points), np.nan)
        index = spread.grid.to_index(points)[:, ::-1].T
        return map_coordinates(spread.array.astype(np.float64), index, order=1, mode="constant", cval=np.nan)


def reconstruct(
    exam: Exam,
    *,
    matcher: Matcher = "auto",
    loftr_weights: str | Path | None = None,
    excluded: Set[int] = frozenset(),
    pinned_mm: Mapping[int, float] | None = None,
    fill: Fill = "kriging",
    voxel_mm: VoxelSize = None,
    extent_mm: Sequence[float] | None = None,
    plane_offset_mm: float = 0.0,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> Reconstruction:
    """Stitch the sagittal frames, put their transverse partners where they belong, fill what lies between."""
    row_mm, column_mm = exam.sagittal_spacing_mm
    stitching = stitch(
        exam.sagittal,
        column_mm,
        matcher=matcher,
        loftr_weights=loftr_weights,
        excluded=excluded,
        pinned_mm=pinned_mm,
        device=device,
        progress=progress,
    )
    filled = fill_gaps(
        exam.transverse,
        exam.transverse_spacing_mm,
        stitching.positions_mm(column_mm),
        stitching.usable,
        depths_mm=stitching.offsets_px[:, 1].round(OFFSET_DIGITS) * row_mm,
        method=fill,
        voxel_mm=voxel_mm,
        extent_mm=extent_mm,
        plane_offset_mm=plane_offset_mm,
        seed=seed,
        device=device,
        progress=progress,
    )
    return Reconstruction(filled.placement, filled.volume, filled.filling, stitching)


def stitch(
    sagittal: NDArray[np.uint8],
    column_mm: float,
    *,
    matcher: Matcher = "auto",
    loftr_weights: str | Path | None = None,
    excluded: Set[int] = frozenset(),
    pinned_mm: Mapping[int, float] | None = None,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> Stitching:
    """Find where each sagittal frame (frame, row, column) lies, but for the excluded ones.

    Args:
        sagittal: uint8 (frame, row, column).
        column_mm: spacing of the columns.
        matcher: what of the frames is compared.
        loftr_weights: file of the network for ``loftr``; with it, ``auto`` tries that as well.
        excluded: frames that are left out.
        pinned_mm: frames whose position is known, and the position.
        device: where that network runs.
        progress: told before every frame.

    Raises:
        InputError: the frames cannot be stitched, an excluded or pinned frame is not there, or LoFTR's weights are not.
    """
    from .reconstruction import mosaic

    pins = dict(pinned_mm or {})
    for option, chosen in (("--exclude", sorted(excluded)), ("--pin", sorted(pins))):
        missing = [t for t in chosen if not 0 <= t < len(sagittal)]
        if missing:
            raise InputError(f"There is no frame {missing[0]} ({option}): give frames from 0 to {len(sagittal) - 1}.")
    if not all(np.isfinite(position) for position in pins.values()):
        raise InputError("A pinned frame has no position (--pin): give it in mm.")
    loftr = None
    if loftr_weights is not None and matcher in ("auto", "loftr"):
        from .reconstruction.loftr import LoftrMatcher

        loftr = LoftrMatcher(loftr_weights, device)
    return mosaic.stitch(
        sagittal,
        matcher=matcher,
        loftr=loftr,
        excluded=excluded,
        pinned_px={t: position / column_mm for t, position in pins.items()},
        progress=progress.named("Stitch"),
    )


def fill_gaps(
    transverse: NDArray[np.uint8],
    spacing_mm: tuple[float, float],
    positions_mm: NDArray[np.float64],
    usable: NDArray[np.bool_],
    *,
    depths_mm: NDArray[np.float64] | None = None,
    method: Fill = "kriging",
    voxel_mm: VoxelSize = None,
    extent_mm: Sequence[float] | None = None,
    plane_offset_mm: float = 0.0,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> FilledVolume:
    """Put the usable transverse frames at their places and fill what lies between them.

    The places are those of the sagittal frames, whose first column lies at the position and whose first row at the
    depth; ``plane_offset_mm`` says where on the sagittal frame, from its first column on, the transverse plane crosses
    it. The rest is told in :func:`.reconstruction.placement.place` and :func:`.reconstruction.filling.fill_volume`.
    """
    from .reconstruction.filling import fill_volume
    from .reconstruction.placement import place

    if not np.isfinite(plane_offset_mm):
        raise InputError("The transverse plane has no place on the sagittal view: give --plane-offset in mm.")
    placement = place(
        transverse,
        spacing_mm,
        positions_mm + plane_offset_mm,
        usable=usable,
        depths_mm=depths_mm,
        voxel_mm=voxel_mm,
        extent_mm=extent_mm,
        progress=progress.named("Place"),
    )
    filled, check = fill_volume(
        placement.volume.array,
        placement.measured,
        placement.inside,
        at=placement.at,
        method=method,
        seed=seed,
        device=device,
        progress=progress.named("Fill"),
    )
    return FilledVolume(placement, Volume(filled, placement.volume.grid), check)


def double_slices(mr: Volume) -> Volume:
    """The MR with a slice between every two of its slices, painted by kriging; its own slices stay as they are.

    Slices are those along k, as scanners and files order them.

    Raises:
        InputError: too few slices to learn from how they go over into each other.
    """
    from .reconstruction.kriging import fill_kriging
    from .volume import Grid

    depth, height, width = mr.grid.shape
    if depth < FEWEST_SLICES:
        raise InputError(f"An MR of {depth} slices cannot be doubled (--double-slices): {FEWEST_SLICES} are needed.")
    grey = mr.array.astype(np.float32)
    lowest, highest = float(grey.min()), float(grey.max())
    span = max(highest - lowest, 1e-6)
    values = np.zeros((2 * depth - 1, height, width), np.float32)
    values[::2] = (grey - lowest) / span * 255
    measured = np.zeros(values.shape, bool)
    measured[::2] = True
    filled = fill_kriging(values, measured, np.ones(values.shape, bool))
    found = np.clip(filled, 0, 255) / 255 * span + lowest
    found[::2] = grey
    i, j, k = mr.grid.spacing_mm
    grid = Grid(values.shape, (i, j, k / 2), mr.grid.origin_mm, mr.grid.direction)
    whole = np.issubdtype(mr.array.dtype, np.integer)
    return Volume((np.rint(found) if whole else found).astype(mr.array.dtype), grid)


def find_start(
    mr: Volume,
    us: Volume,
    *,
    initial: str | sitk.Transform = "none",
    region_mm: tuple[float, ...],
    mr_region_mm: tuple[float, ...] | None = None,
    weights: Weights | None = None,
) -> Found:
    """Where the glands lie in roughly drawn boxes, and so a better start; the given one where it recognises nothing.

    Args:
        mr: the moving image.
        us: the fixed image.
        initial: the start that is to be bettered, as :func:`pair_up` takes it.
        region_mm: x0, y0, z0, x1, y1, z1 (LPS) of a box around the gland in ``us``, some 10 mm too large.
        mr_region_mm: of one in ``mr``; where ``initial`` brings the other one if not given.
        weights: what a cohort taught; the program's own where they hold nothing of it.
    """
    from .registration.boxes import Box
    from .registration.finder import find
    from .registration.finder_training import from_part
    from .registration.initial import initial_transform
    from .weights import read_weights

    box = Box.of(region_mm)
    region = us.grid.cropped_to(box.low_mm, box.high_mm)
    pose = initial_transform(initial, mr, us, region) if isinstance(initial, str) else initial
    part = weights.parts.get("finder") if weights is not None else None
    finder = from_part(part or read_weights(FINDER_WEIGHTS).parts["finder"])
    return find(finder, mr, us, pose, box, Box.of(mr_region_mm) if mr_region_mm else None)


def pair_up(
    mr: Volume,
    us: Volume,
    *,
    initial: str | sitk.Transform = "none",
    region_mm: tuple[float, ...] | None = None,
    preset: Preset,
) -> Pair:
    """Bring both images onto the networks' grid, the MR without its bias field.

    Args:
        mr: the moving image.
        us: the fixed image.
        initial: the pose (fixed to moving points, LPS mm), or where it comes from; see
            :func:`.registration.initial.initial_transform`.
        region_mm: x0, y0, z0, x1, y1, z1 (LPS) of the box that is registered; all that ``us`` shows if not given.
        preset: size of the grid.

    Raises:
        InputError: the region misses the TRUS volume, or the two images do not overlap in it.
    """
    from .bias import without_bias
    from .registration.initial import initial_transform

    shown = us.foreground()
    if region_mm is not None:
        region = us.grid.cropped_to(region_mm[:3], region_mm[3:])
    else:
        seen = us.grid.to_world(np.argwhere(shown)[:, ::-1])
        region = us.grid.cropped_to(seen.min(axis=0), seen.max(axis=0))
    pose = initial_transform(initial, mr, us, region) if isinstance(initial, str) else initial
    grid = region.reoriented().resampled(shape=SHAPES[preset])
    valid = Volume(shown.astype(np.uint8), us.grid).resampled(grid, interpolation="nearest").array > 0
    valid &= Volume(np.ones(mr.grid.shape, np.uint8), mr.grid).resampled(grid, pose, "nearest").array > 0
    if valid.mean() < 0.05:
        raise InputError(
            f"MR and TRUS overlap in only {valid.mean():.0%} of the region: start from another pose with --initial "
            "(centers brings their middles together)."
        )
    return Pair(
        without_bias(_as_float(mr.smoothed_for(grid).resampled(grid, pose, outside=float(mr.array.min()))), valid),
        _as_float(us.smoothed_for(grid).resampled(grid)),
        valid,
        pose,
    )


def translate(
    pair: Pair,
    *,
    method: TranslationMethod = "acmt",
    weights: Weights | None = None,
    strict_paper: bool = False,
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
        seed: of the fit.
        device: of torch.
        progress: told about the stage ``Translate``.

    Raises:
        InputError: a picture without contrast, weights of another method, or ``strict_paper`` where it has no meaning.
    """
    from .translation.acmt import AcmtSettings
    from .translation.training import translate_pair
    from .translation.translating import translate_with

    if strict_paper and (method != "acmt" or weights is not None):
        raise InputError("Only a fit of acmt has guards to leave out: drop --strict-paper, or --weights and --method.")
    translating = progress.named("Translate")
    pictures = pair.mr.array, pair.us.array, pair.valid
    trained = weights.part("translation", method) if weights is not None else None
    if trained is not None:
        return translate_with(trained, *pictures, device=device, progress=translating)
    return translate_pair(
        *pictures,
        method=method,
        settings=AcmtSettings(strict_paper=True) if strict_paper else None,
        seed=seed,
        device=device,
        progress=translating,
    )


def register(
    mr: Volume,
    us: Volume,
    pair: Pair,
    *,
    translation: TranslationMethod | Literal["none"] = "acmt",
    registration: RegistrationMethod = "anatomy-aware",
    weights: Weights | None = None,
    refine: bool = True,
    incompressible: bool = False,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> Registration:
    """Find the deformation on the translated pair and apply it to the original MR.

    Args:
        mr: the moving image.
        us: the fixed image.
        pair: both on the networks' grid.
        translation: what comes before.
        registration: which network.
        weights: trained networks; what they do not hold is fitted to the pair.
        refine: whether a trained registration is fitted to the pair for a few iterations more.
        incompressible: hold the volume of the tissue, softly.
        seed: of the fits and of the samples.
        device: of torch.
        progress: told about the stages ``Translate`` and ``Register``.

    Raises:
        InputError: weights of another method, or an option that the method has no use for.
    """
    from .registration.fitting import register_pair
    from .registration.pair import Images
    from .registration.transforms import composite, warp
    from .translation.masking import normalised

    translated = None
    if translation != "none":
        translated = translate(pair, method=translation, weights=weights, seed=seed, device=device, progress=progress)
    moving, fixed = (
        (translated.mr, translated.us)
        if translated
        else (normalised(pair.mr.array, pair.valid), normalised(pair.us.array, pair.valid))
    )
    registering = progress.named("Register")
    fitted = register_pair(
        Images(moving, fixed, pair.valid, pair.us.grid.spacing_mm),
        registration,
        weights.part("registration", registration) if weights is not None else None,
        refine=refine,
        incompressible=incompressible,
        seed=seed,
        device=device,
        progress=registering,
        on_field=lambda field: registering.preview(lambda: _deformed(pair.mr, field())),
    )
    displacement = Volume(pair.us.grid.voxels_to_mm(fitted.displacement), pair.us.grid)
    transform = composite(pair.initial, displacement, us.grid)
    return Registration(pair, translated, fitted, transform, warp(mr, us.grid, transform))


def _deformed(mr: Volume, displacement: NDArray[np.float32]) -> Volume:
    """The MR on the networks' grid under a displacement in voxels, (k, j, i, 3) along (i, j, k)."""
    from scipy.ndimage import map_coordinates

    at = np.indices(mr.grid.shape, dtype=np.float32) + np.moveaxis(displacement, -1, 0)[::-1]
    return Volume(map_coordinates(mr.array, at, order=1, mode="nearest").astype(np.float32), mr.grid)


def _as_float(volume: Volume) -> Volume:
    return Volume(volume.array.astype(np.float32), volume.grid)
