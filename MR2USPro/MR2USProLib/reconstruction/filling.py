"""Filling the planes of a TRUS volume that no transverse frame reached, and saying how well that went (III-A, end).

The sweep leaves a stack of measured planes with irregular gaps along k. Linear interpolation closes them in
milliseconds and is the rival that kriging and the deep image prior have to beat; they are scored on measured planes
that they have not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import SILENT, Progress

Fill = Literal["kriging", "dip", "linear", "none"]
GreyVolume = NDArray[np.float32]
Mask = NDArray[np.bool_]

FEWEST_PLANES = 8
"""A network that learns from this volume alone needs some planes to learn from and some to be scored on."""

AT_ONCE = 200_000
"""Voxels that are interpolated in one go, whole columns: what they need fits the processor's cache."""


@dataclass(frozen=True)
class FillingCheck:
    """How well measured planes are brought back when they are hidden.

    The gaps that hiding makes are wider than the gaps to be filled, so both figures err on the low side, and what is
    better on wide gaps need not be so on narrow ones: ``gap_scored`` against ``gap_filled`` says how far that is so.

    Attributes:
        hidden: slices k that were hidden from both ways of filling.
        psnr_linear_db: linear interpolation against the hidden voxels inside the fan, for a range of 255.
        method: what filled the volume.
        psnr_db: the same for ``method``. The deep image prior's flatters a little: the same planes chose among eleven
            stages of its fit.
        gap_scored: planes from the seen one before a hidden plane to the seen one after it, on average.
        gap_filled: the same for the planes that were really missing.
    """

    hidden: tuple[int, ...]
    psnr_linear_db: float
    method: Fill
    psnr_db: float
    gap_scored: float
    gap_filled: float

    @property
    def better(self) -> Fill | None:
        """The way that came closer; None where less than 0.1 dB lies between them or only one was tried."""
        if abs(self.psnr_db - self.psnr_linear_db) < 0.1:
            return None
        return self.method if self.psnr_db > self.psnr_linear_db else "linear"

    @property
    def sentence(self) -> str:
        """The finding in plain words, for the report."""
        gaps = f"The gaps span {self.gap_scored:.1f} planes there and {self.gap_filled:.1f} where it counts."
        planes = f"{len(self.hidden)} measured plane{'' if len(self.hidden) == 1 else 's'}"
        linear = f"{self.psnr_linear_db:.1f} dB"
        if self.method == "linear":
            return f"On {planes} hidden for the test, linear interpolation reaches {linear} (PSNR). {gaps}"
        name = {"dip": "the deep image prior"}.get(self.method, self.method)
        better = {self.method: name, "linear": "linear interpolation", None: None}[self.better]
        verdict = f"{better} is the better one" if better else "neither is clearly better"
        return (
            f"On {planes} hidden from both, {name} reaches {self.psnr_db:.1f} dB and linear interpolation {linear} "
            f"(PSNR): {verdict}. {gaps}"
        )


def fill_volume(
    values: GreyVolume,
    measured: Mask,
    inside: Mask,
    *,
    at: NDArray[np.floating] | None = None,
    method: Fill,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> tuple[GreyVolume, FillingCheck | None]:
    """Fill what lies between the measured planes, and score the filling.

    Args:
        values: (k, j, i) grey values 0 to 255; those that were not measured do not matter.
        measured: (k, j, i) voxels that a transverse frame wrote.
        inside: (j, i) or (k, j, i) the fan.
        at: (k,) where the data of each slice really lie, in slices; in their middles where not given. The deep image
            prior does not use it.
        method: ``kriging``, ``dip``, ``linear``, or ``none`` (what was not measured stays 0).
        seed: decides which planes are hidden for the score, and everything random in the deep image prior.
        device: what torch calls the device.
        progress: told about every step.

    Returns:
        The filled volume (k, j, i), measured voxels verbatim and 0 outside the fan; and the score, None where nothing
        was filled or there are too few planes to hide one.

    Raises:
        InputError: nothing was measured inside the fan, or too little for the method.
        Cancelled: the user asked to stop.
    """
    values, measured, inside = checked(values, measured, inside)
    if method == "none" or np.array_equal(measured, inside):
        return np.where(measured, values, np.float32(0)), None
    hidden = planes_to_hide(measured, seed)
    if method != "dip":
        from .kriging import fill_kriging

        fill = fill_kriging if method == "kriging" else fill_linear
        filled = fill(values, measured, inside, at, progress.part(0.0, 0.5))
        check = None
        if hidden:
            score = None
            if method == "kriging":
                seen, scored = _without(measured, hidden)
                score = psnr_db(fill_kriging(values, seen, inside, at, progress.part(0.5, 0.9)), values, scored)
            check = _check(values, measured, inside, at, hidden, method, score, progress.part(0.9, 1.0))
        progress.report(1.0)
        return filled, check

    from .deep_image_prior import fill_dip

    count = int(measured.any(axis=(1, 2)).sum())
    if count < FEWEST_PLANES:
        raise InputError(
            f"The deep image prior learns from the measured planes and needs at least {FEWEST_PLANES} of them, not "
            f"{count}: choose linear filling, or a video with more transverse frames."
        )
    fitting, checking = progress.part(0.0, 0.98), progress.part(0.98, 1.0)
    result = fill_dip(values, measured, inside, held_out=hidden, seed=seed, device=device, progress=fitting)
    score = max(result.held_out_psnr_db)
    return result.values, _check(values, measured, inside, at, hidden, method, score, checking)


def fill_linear(
    values: GreyVolume,
    measured: Mask,
    inside: Mask,
    at: NDArray[np.floating] | None = None,
    progress: Progress = SILENT,
) -> GreyVolume:
    """Interpolate along k in each column of the fan, with the nearest measured voxel beyond the first and the last.

    Columns of the fan that no frame reached take the value of the nearest column that one did.

    Args:
        values: (k, j, i) grey values; those that were not measured do not matter.
        measured: (k, j, i) voxels that a transverse frame wrote.
        inside: (j, i) or (k, j, i) the fan.
        at: (k,) where the data of each slice really lie, in slices; in their middles where not given.
        progress: told about every few rows, and every slice.

    Returns:
        The filled volume (k, j, i), measured voxels verbatim and 0 outside the fan.

    Raises:
        InputError: nothing was measured inside the fan.
        Cancelled: the user asked to stop.
    """
    values, measured, inside = checked(values, measured, inside)
    where, (count, rows, columns) = places(measured, at), measured.shape
    filled = np.empty(measured.shape, np.float32)
    height = max(AT_ONCE // (count * columns), 1)
    for n in progress.part(0.0, 0.9).steps(-(-rows // height), "Interpolating between the planes"):
        some = np.s_[:, n * height : (n + 1) * height]
        filled[some] = _interpolated(values[some], measured[some], where)
    reached = measured.any(axis=0)
    missing = inside.any(axis=0) & ~reached
    if missing.any():
        from scipy.ndimage import distance_transform_edt

        nearest = distance_transform_edt(~reached, return_distances=False, return_indices=True)
        row, column = (index[missing] for index in nearest)
    for k in progress.part(0.9, 1.0).steps(count, "Interpolating between the planes"):
        if missing.any():
            filled[k][missing] = filled[k, row, column]
        filled[k][~inside[k]] = 0
    return filled


def _interpolated(values: GreyVolume, measured: Mask, where: NDArray[np.float64]) -> GreyVolume:
    """Columns (k, j, i) between and beyond what was measured in each; any value in those without a measured voxel."""
    before, after = bracket(measured)
    count = len(measured)
    before, after = np.where(before < 0, after, before), np.where(after == count, before, after)
    before, after = np.minimum(before, count - 1), np.clip(after, 0, count - 1)
    first, last = (np.take_along_axis(values, at, axis=0) for at in (before, after))
    start, end = where[before], where[after]
    weight = np.clip((where[:, None, None] - start) / np.maximum(end - start, 1e-3), 0, 1).astype(np.float32)
    return np.where(measured, values, first + weight * (last - first))


def bracket(known: Mask) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The nearest known slices around every voxel (k, j, i) of its column.

    Returns:
        The known slice at or before the voxel, -1 where there is none; and the one at or after it, the number of
        slices where there is none. Both (k, j, i).
    """
    count = np.int32(len(known))
    slices = np.arange(count, dtype=np.int32)[:, None, None]
    before = np.maximum.accumulate(np.where(known, slices, np.int32(-1)), axis=0)
    after = np.minimum.accumulate(np.where(known, slices, count)[::-1], axis=0)[::-1]
    return before, after


def places(measured: Mask, at: NDArray[np.floating] | None) -> NDArray[np.float64]:
    """(k,) where each slice's data lie, in slices: what ``at`` says of the measured ones, the middle of the others."""
    middle = np.arange(len(measured), dtype=np.float64)
    return middle if at is None else np.where(np.isfinite(at), at, middle)


def planes_to_hide(measured: Mask, seed: int) -> tuple[int, ...]:
    """About a tenth of the measured planes, evenly spread from a random start; never the first or the last."""
    interior = np.flatnonzero(measured.any(axis=(1, 2)))[1:-1]
    if len(interior) < 2:
        return ()
    step = min(10, max(len(interior) // 3, 1))
    start = int(np.random.default_rng(seed).integers(step))
    return tuple(int(k) for k in interior[start::step])


def psnr_db(estimate: GreyVolume, truth: GreyVolume, where: Mask) -> float:
    """Peak signal-to-noise ratio for grey values 0 to 255 over the voxels of ``where``, in dB."""
    error = np.mean(np.square(estimate[where].astype(np.float64) - truth[where]))
    return float(10 * np.log10(255.0**2 / max(float(error), 1e-10)))


def _without(measured: Mask, hidden: tuple[int, ...]) -> tuple[Mask, Mask]:
    """What is left when some slices are hidden, and what is hidden."""
    seen, scored = measured.copy(), np.zeros_like(measured)
    seen[list(hidden)] = False
    scored[list(hidden)] = measured[list(hidden)]
    return seen, scored


def _check(
    values: GreyVolume,
    measured: Mask,
    inside: Mask,
    at: NDArray[np.floating] | None,
    hidden: tuple[int, ...],
    method: Fill,
    score_db: float | None,
    progress: Progress,
) -> FillingCheck:
    """Score linear interpolation on the planes hidden from it, beside what another way reached on them, if any did."""
    seen, scored = _without(measured, hidden)
    linear = psnr_db(fill_linear(values, seen, inside, at, progress), values, scored)
    missing = np.flatnonzero(~measured.any(axis=(1, 2)) & inside.any(axis=(1, 2)))
    gaps = _mean_gap(seen, np.asarray(hidden)), _mean_gap(measured, missing)
    return FillingCheck(hidden, linear, method, linear if score_db is None else score_db, *gaps)


def _mean_gap(measured: Mask, planes: NDArray[np.integer]) -> float:
    """Planes from the measured one before to the measured one after, on average over those that have both."""
    known = np.flatnonzero(measured.any(axis=(1, 2)))
    within = planes[(planes > known[0]) & (planes < known[-1])]
    place = np.searchsorted(known, within)
    return float(np.mean(known[place] - known[place - 1])) if len(within) else 0.0


def checked(values: GreyVolume, measured: Mask, inside: Mask) -> tuple[GreyVolume, Mask, Mask]:
    """The arguments of the fillings as they are worked with: all (k, j, i), and nothing measured outside the fan.

    Raises:
        InputError: nothing was measured inside the fan.
    """
    inside = np.broadcast_to(inside, measured.shape)
    measured = measured & inside
    if not measured.any():
        raise InputError("No transverse frame lies inside the TRUS volume: check the frames' positions and the fan.")
    return np.asarray(values, dtype=np.float32), measured, inside
