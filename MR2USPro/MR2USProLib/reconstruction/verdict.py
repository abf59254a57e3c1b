"""Whether a stitching can be believed: the frames that deserve a look, and the whole in a sentence or two."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .mosaic import Stitching

FEW_INLIERS = 12
"""Fewer matches that agree on a frame's place may do so by accident; hundreds are usual."""

WEAK = 0.35
"""Confidence below which a frame deserves a look; 0.75 to 0.98 is usual."""

WIDE_PX = 4.0
"""Root mean square distance of matches from the offset on which they agree; below 3 is usual."""

JUMP_MM = (1.5, 5.0)
"""A step from frame to frame that is off the pace by more than the first is a jump, unless the usual step is a third of
it or more; by more than the second it is one in any case."""

SHORT_MM, NO_SWEEP_MM = 20.0, 3.0
"""A prostate is 30 to 50 mm long; a probe that moved less than the latter was held still."""

FAILED = (0.05, 0.2)
"""Shares of frames that were not found, from which the stitching needs a look, or is bad."""

JUMPED = 0.1
"""Share of frames that jump, from which their order is not that of a sweep."""

LARGE_ERROR_MM = 0.5
"""Estimated error of the positions, from which it adds to that of a registration, which is a millimetre or two."""

GAP_MM = 5.0
"""What lies in a longer gap is invented by the filling."""


@dataclass(frozen=True)
class Suspect:
    """A frame that deserves a look.

    Attributes:
        frame: its number.
        position_mm: where it was put.
        status: as in the table of positions.
        reason: why, in plain words.
    """

    frame: int
    position_mm: float
    status: str
    reason: str


@dataclass(frozen=True)
class Verdict:
    """What to think of a stitching, for someone who only wants to know whether to go on."""

    level: Literal["good", "check", "bad"]
    text: str


def suspects(stitching: Stitching, column_spacing_mm: float, excluded: Set[int] = frozenset()) -> list[Suspect]:
    """The frames that deserve a look, in their order, but for those that the user excluded."""
    positions = stitching.positions_mm(column_spacing_mm)
    jumps = jumps_mm(positions, stitching.usable)
    found = []
    for t, status in enumerate(stitching.status):
        if t in excluded:
            continue
        if status != "ok":
            reason = "It could not be matched to the map and is not used."
        elif jumps[t] > 0:
            reason = f"It jumps {jumps[t]:.1f} mm off the course of the frames around it."
        elif stitching.confidence[t] < WEAK:
            reason = f"It looks little like the map where it was put: confidence {stitching.confidence[t]:.2f}."
        elif 0 < stitching.inliers[t] < FEW_INLIERS:
            reason = f"Only {stitching.inliers[t]} of its {stitching.matches[t]} matches agree on its place."
        elif stitching.residual_px[t] > WIDE_PX:
            reason = f"Its matches scatter by {stitching.residual_px[t]:.1f} pixels about its place."
        else:
            continue
        found.append(Suspect(t, float(positions[t]), status, reason))
    return found


def jumps_mm(positions_mm: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(n,) by how much each usable frame that jumps is off the pace of the frames around it, else 0.

    A frame that lies apart from both its neighbours jumps, and not the frame after it, which only comes back.
    """
    jumps, good = np.zeros(len(positions_mm)), np.flatnonzero(usable)
    steps, frames = np.diff(positions_mm[good]), np.diff(good)
    paces = np.pad(steps / frames, 3, mode="edge")
    around = np.median(np.lib.stride_tricks.sliding_window_view(paces, 7), axis=1)
    off = np.abs(steps - around * frames)
    far = off > np.clip(3 * np.median(np.abs(paces)), *JUMP_MM)
    jumped = False
    for step in range(len(steps)):
        jumped = bool(far[step]) and not jumped
        jumps[good[step + 1]] = off[step] if jumped else 0.0
    return jumps


def judged(stitching: Stitching, column_spacing_mm: float, excluded: Set[int] = frozenset()) -> Verdict:
    """The whole stitching in a word, and in a sentence or two what was found and what to do."""
    positions, usable = stitching.positions_mm(column_spacing_mm), stitching.usable
    n, found = len(usable) - len(excluded), int(usable.sum())
    sweep_mm = float(np.ptp(positions[usable]))
    jumped = np.flatnonzero(jumps_mm(positions, usable))
    gap_mm, gap_at = _widest_gap(positions, usable)
    confidence = float(np.median(stitching.confidence[usable]))
    error_mm = stitching.position_error_px * column_spacing_mm
    told = f"{found} of {n} frames were found on the map, over {sweep_mm:.0f} mm, to about {_exact(error_mm)} mm"
    if sweep_mm < NO_SWEEP_MM:
        return Verdict(
            "bad",
            f"The probe moved by only {sweep_mm:.1f} mm, as far as the frames tell: choose a part of the video where "
            "it moves along the prostate.",
        )
    if len(jumped) > JUMPED * found:
        return Verdict(
            "bad",
            f"{len(jumped)} of {found} frames jump to and fro along the probe, which no hand does: check that the "
            "frames are in the order in which they were taken, and do not use this stitching.",
        )
    if n - found > FAILED[1] * n:
        return Verdict(
            "bad",
            f"Only {told}: choose a slower, steadier part of the sweep, or check that the sagittal view holds nothing "
            "but the sagittal picture.",
        )
    if confidence < WEAK:
        return Verdict(
            "bad",
            f"The frames look little like the map that they make (confidence {confidence:.2f}): do not use this "
            "stitching, and check that the sagittal view holds nothing but the sagittal picture.",
        )
    concerns = []
    if error_mm > LARGE_ERROR_MM:
        concerns.append(f"their positions err by about {_exact(error_mm)} mm")
    if len(jumped):
        concerns.append(f"the position jumps at frame {_listed(jumped)}")
    if n - found > FAILED[0] * n:
        concerns.append(f"{n - found} frames could not be used")
    if gap_mm > GAP_MM:
        concerns.append(f"no frame lies in a gap of {gap_mm:.0f} mm after frame {gap_at}")
    if sweep_mm < SHORT_MM:
        concerns.append("the sweep is shorter than a prostate")
    weak = int(np.sum(stitching.confidence[usable] < WEAK))
    if weak > FAILED[0] * n:
        concerns.append(f"{weak} frames look little like the map")
    if concerns:
        listed = "; ".join(concerns)
        return Verdict(
            "check", f"{told}, but {listed}. Look at the map there, and exclude or pin frames that are wrong."
        )
    return Verdict("good", f"{told}. If boundaries run on smoothly in the map, go on.")


def _widest_gap(positions_mm: NDArray[np.float64], usable: NDArray[np.bool_]) -> tuple[float, int]:
    """The widest stretch along the probe without a usable frame, in mm, and a frame at its beginning."""
    frames = np.flatnonzero(usable)
    frames = frames[np.argsort(positions_mm[frames], kind="stable")]
    gaps = np.diff(positions_mm[frames])
    return float(gaps.max()), int(frames[np.argmax(gaps)])


def _exact(error_mm: float) -> str:
    """Hundredths of a millimetre are as exact as such an estimate is."""
    return f"{max(error_mm, 0.01):.2f}"


def _listed(frames: NDArray[np.integer]) -> str:
    """A few numbers in words."""
    shown = ", ".join(str(t) for t in frames[:4])
    return shown if len(frames) <= 4 else f"{shown} and {len(frames) - 4} more"
