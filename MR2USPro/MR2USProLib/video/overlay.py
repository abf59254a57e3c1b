"""What is drawn over a view: text, rulers, marks and logos, which stand still while echoes move.

No frame shows what lies under a mark, so neighbours in time cannot tell either. Thin marks among the echoes are filled
from the pixels around them, which speckle bridges well; marks beside the echoes become black, as nothing is there.
Echoes that stand still (reverberation, the probe's face) have soft edges and stay.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..progress import SILENT, Progress
from .frames import BLACK

Mask = NDArray[np.bool_]

SAMPLE = 48
"""Pictures from which it is seen what never changes."""

FEWEST = 16
"""Fewer pictures do not tell marks from echoes that happen to stand still."""

STILL = 2
"""Grey levels by which a pixel that shows no echoes may change, as video compression makes it."""

QUIET = 0.25
"""Marks change by less than this share of what echoes usually do: what is half transparent, or compressed."""

DARK = 3
"""Grey levels up to this are black."""

SHARP = 40
"""Grey levels by which a mark is brighter than what lies two pixels beside it."""

SMALLEST_PX = 4
"""Fewer pixels than that are no mark."""

BRIGHT_PERCENT = 90
"""A mark is brighter than this share of the echoes ever are, or it could not be read."""

HALF_STILL = 0.6
NEARBY_PX = 17
"""Characters stand closer to each other than half of that."""

LIVELY_AROUND = 0.8
ONE_SHADE = 0.9
MOSTLY = 0.5

STROKE_PX = 7
"""Strokes of text and lines are thinner than this."""

LEAST_LIVELY = 0.02
"""Where less than this share of a view changes, nothing is known about what stands still."""


def overlay(view: NDArray[np.uint8]) -> tuple[Mask, Mask]:
    """Find what is drawn over a view.

    Args:
        view: uint8 (frame, row, column).

    Returns:
        (row, column): marks among the echoes, and marks and background beside them.
    """
    nothing = np.zeros(view.shape[1:], np.bool_)
    lit = np.flatnonzero(view.max(axis=(1, 2)) > BLACK)
    if len(lit) < FEWEST:
        return nothing, nothing
    sample = view[lit[np.unique(np.linspace(0, len(lit) - 1, min(len(lit), SAMPLE)).astype(int))]]
    # Deciles: blind to a few spoilt pictures, and to a rest that takes most of the sweep.
    tenth = len(sample) // 10
    ordered = np.partition(sample, sorted({tenth, len(sample) // 2, len(sample) - 1 - tenth}), axis=0)
    low, level, high = (ordered[k].astype(np.int16) for k in (tenth, len(sample) // 2, len(sample) - 1 - tenth))
    spread = high - low
    if np.mean(spread > STILL) < LEAST_LIVELY:
        return nothing, nothing
    usual = float(np.median(spread[spread > STILL]))
    still = spread <= max(STILL, QUIET * usual)
    echoes = _filled(_morphed(~still & (spread > STILL), cv2.MORPH_OPEN, 3))

    # What is drawn has sharp edges, echoes that stand still (reverberation, the probe's face) have not.
    steep = level - cv2.erode(level, np.ones((5, 5), np.uint8)) > SHARP
    strokes = still & ~_morphed(still & (level > SHARP), cv2.MORPH_OPEN, STROKE_PX) & steep
    bright = level > np.percentile(high[echoes], BRIGHT_PERCENT) if echoes.any() else nothing
    certain = _even(strokes & echoes & bright, level, spread, usual)
    # Near a mark, what is only half still is one too; and the edge of a stroke is half a mark.
    likely = steep & (spread <= HALF_STILL * usual) & _morphed(certain, cv2.MORPH_DILATE, NEARBY_PX)
    among = _morphed(certain | likely, cv2.MORPH_DILATE, 3) & echoes

    beside = still & (level > DARK) & ~echoes
    if not beside.any():
        return among, nothing
    background = beside & (np.abs(level - int(np.bincount(level[beside]).argmax())) <= STILL)
    if background.sum() < MOSTLY * np.sum(~echoes):
        background = nothing
    return among, background | _drawn(beside & ~background, steep, _morphed(echoes, cv2.MORPH_DILATE, 5))


def without_overlay(view: NDArray[np.uint8], progress: Progress = SILENT) -> tuple[NDArray[np.uint8], float]:
    """A view without what is drawn over it.

    Args:
        view: uint8 (frame, row, column), left as it is.
        progress: told while pictures are filled.

    Returns:
        The view, and the share of its pixels that lay under marks among the echoes and were filled.
    """
    among, beside = overlay(view)
    if not (among.any() or beside.any()):
        return view, 0.0
    clean = np.where(beside, np.uint8(0), view)
    if among.any():
        holes = among.astype(np.uint8)
        for t in progress.steps(len(clean), "Filling in under marks"):
            clean[t] = cv2.inpaint(clean[t], holes, 3, cv2.INPAINT_TELEA)
    return clean, float(among.mean())


def _even(strokes: Mask, level: NDArray[np.int16], spread: NDArray[np.int16], usual: float) -> Mask:
    """The strokes that are drawn: of one brightness, and the only ones in their place that are still.

    Around echoes that stand still, all is rather still. Where nothing else moves, a mark must not change at all.
    """
    _, pieces = cv2.connectedComponents(strokes.astype(np.uint8), connectivity=8)
    sizes = np.bincount(pieces.ravel())
    every = np.arange(len(sizes))
    even = np.bincount(pieces[level >= ONE_SHADE * ndimage.maximum(level, pieces, every)[pieces]], minlength=len(sizes))
    # The pixels four away from a piece belong to its surroundings, those in between are its soft edge.
    near, far = (cv2.dilate(pieces.astype(np.float32), np.ones((px, px), np.uint8)).astype(int) for px in (5, 9))
    around = np.where(near == 0, far, 0)
    lively = np.bincount(around.ravel(), spread.ravel(), len(sizes)) / np.maximum(
        np.bincount(around.ravel(), None, len(sizes)), 1
    )
    fixed = np.bincount(pieces.ravel(), spread.ravel() > STILL, len(sizes)) < MOSTLY * sizes
    drawn = (even > MOSTLY * sizes) & (sizes >= SMALLEST_PX) & (fixed | (lively > LIVELY_AROUND * usual))
    return strokes & drawn[pieces]


def _drawn(mask: Mask, steep: Mask, echoes: Mask) -> Mask:
    """The pieces of a mask with sharp outlines that do not touch echoes, whose edge may look like that."""
    count, pieces = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    outline = mask & ~_morphed(mask, cv2.MORPH_ERODE, 3)
    length = np.bincount(pieces[outline], minlength=count)
    sharp = np.bincount(pieces[outline & steep], minlength=count)
    sharp[np.unique(pieces[echoes])] = 0
    return mask & (sharp > MOSTLY * length)[pieces]


def _filled(mask: Mask) -> Mask:
    """Sizeable pieces of a mask with all that they enclose."""
    closed = _morphed(mask, cv2.MORPH_CLOSE, 9).astype(np.uint8)
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    areas = [cv2.contourArea(outline) for outline in outlines]
    filled: NDArray[np.uint8] = np.zeros(mask.shape, np.uint8)
    large = [outline for outline, area in zip(outlines, areas, strict=True) if area > 0.05 * max(areas)]
    cv2.drawContours(filled, large, -1, 1, cv2.FILLED)
    return filled > 0


def _morphed(mask: Mask, operation: int, size_px: int) -> Mask:
    # Beyond the edge all goes on as it is: morphology would otherwise eat or grow there.
    padded = np.pad(mask.astype(np.uint8), size_px, mode="edge")
    done = cv2.morphologyEx(padded, operation, np.ones((size_px, size_px), np.uint8))
    return np.asarray(done[size_px:-size_px, size_px:-size_px] > 0)
