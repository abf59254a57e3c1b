"""Where in its pictures a biplane video shows the two views.

Echoes change from frame to frame; text, rulers, logos and the black around the views do not. What changes falls apart
into two parts, side by side or one above the other. The transverse view is the one that shows a fan; where neither or
both do, the sagittal view is the one in which tissue slides along the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from .frames import SMALLEST_PX
from .recording import Recording, Roi
from .sliding import sliding

Mask = NDArray[np.bool_]
Confidence = Literal["high", "low", "none"]

STILL = 2
"""Grey levels by which a pixel that shows no echoes may change, as video compression makes it."""

QUIET = 0.25
"""Pixels that change by less than this share of what is usual show no echoes."""

NARROWEST_GAP = 3
MOST_PIECES = 12
SPECK = 0.002
"""A piece of less than this share of all that moves belongs to nothing."""

CLOSE = 0.1
"""Pieces of one view lie no further apart than this share of its smaller edge."""

SMALLEST_SHARE = 0.08
"""A view holds at least this share of all that moves."""

CORNER = 0.15
FAN = 0.3
"""A fan leaves at least this much more of the corners of its box empty, of this size, than a linear array does."""

SLIDES = 0.08
"""A view in which tissue slides along the picture gains at least so much more correlation by a shift than one in which
it does not."""

GRAIN = 2.0
"""Grey levels by which speckle varies along a row at least, and lines and bars that are drawn do not."""

BANDS = 0.05
"""Echoes that stand still under the probe's face lie no further from those that move, as a share of a view's height."""


@dataclass(frozen=True)
class Views:
    """Where the two views lie.

    Attributes:
        sagittal, transverse: boxes (x, y, width, height) in px; both None where no two views were found.
        confidence: ``high``; ``low``: two views were found, but neither shape nor motion says which is which; ``none``.
        note: the finding in a sentence or two.
    """

    sagittal: Roi | None
    transverse: Roi | None
    confidence: Confidence
    note: str


def find_views(pictures: NDArray[np.uint8], recording: Recording | None = None) -> Views:
    """Find the views in pictures that hold both.

    Where neither their shape nor their motion tells them apart, the left or upper one is taken for the transverse view,
    as most scanners show them.

    Args:
        pictures: uint8 (picture, row, column), a few that are spread over the whole sweep.
        recording: where the pictures come from; where its header marks two views of tissue, these are the boxes.
    """
    if len(pictures) < 2:
        return Views(None, None, "none", "A single picture does not show where something moves: mark the two views.")
    moving = _moving(pictures)
    marked = [region.box for region in recording.regions] if recording else []
    if len(marked) == 2:
        return _told_apart(pictures, [_inside(moving, box) for box in marked], marked, "The header marks two views: ")
    parts = _two_parts(moving)
    boxes = [_box(part) for part in parts]
    if len(boxes) < 2 or any(min(box[2:]) < SMALLEST_PX for box in boxes):
        return Views(None, None, "none", "No two moving views were found in the pictures: mark them by hand.")
    views = _told_apart(pictures, list(parts), boxes, "Two views were found: ")
    assert views.sagittal is not None
    assert views.transverse is not None
    return replace(views, sagittal=_grown(views.sagittal, views.transverse, pictures))


def _told_apart(pictures: NDArray[np.uint8], parts: list[Mask], boxes: list[Roi], finding: str) -> Views:
    """Which of two boxes is which, by what moves in each."""
    axis = 0 if boxes[1][0] >= boxes[0][0] + boxes[0][2] or boxes[0][0] >= boxes[1][0] + boxes[1][2] else 1
    if boxes[0][axis] > boxes[1][axis]:
        parts, boxes = parts[::-1], boxes[::-1]
    beside = (("left", "right"), ("upper", "lower"))[axis]
    confidence: Confidence
    fan = _larger([_fan_likeness(part) for part in parts], FAN) if all(part.any() for part in parts) else None
    if fan is not None:
        transverse, confidence = fan, "high"
        reason = f"the {beside[fan]} one is a fan and so the transverse view."
    else:
        slides = _larger([sliding(pictures[:, y : y + h, x : x + w]) for x, y, w, h in boxes], SLIDES)
        transverse, confidence = (0, "low") if slides is None else (1 - slides, "high")
        reason = (
            f"neither their shape nor their motion says which is which, and the {beside[0]} one was taken for the "
            "transverse view, as most scanners show it. Exchange the boxes if that is wrong."
            if slides is None
            else f"tissue slides along the {beside[slides]} one, which is so the sagittal view."
        )
    return Views(boxes[1 - transverse], boxes[transverse], confidence, finding + reason)


def _inside(moving: Mask, box: Roi) -> Mask:
    """What moves within a box."""
    x, y, width, height = box
    inside = np.zeros_like(moving)
    inside[y : y + height, x : x + width] = moving[y : y + height, x : x + width]
    return inside


def _larger(figures: list[float], margin: float) -> int | None:
    """Which of the two is larger; None where less than the margin lies between them."""
    return None if abs(figures[0] - figures[1]) < margin else int(np.argmax(figures))


def _moving(pictures: NDArray[np.uint8]) -> Mask:
    """(row, column): pixels that change from picture to picture as echoes do, without specks."""
    changes = np.stack([cv2.absdiff(a, b) for a, b in pairwise(pictures)])
    # The upper quartile: blind to a few spoilt pictures, and not to a sweep that stood still for half its time.
    place = int(0.75 * (len(changes) - 1))
    change = np.partition(changes, place, axis=0)[place]
    lively = change[change > STILL]
    if lively.size == 0:
        return np.zeros(change.shape, dtype=np.bool_)
    moving = (change > max(STILL, QUIET * float(np.median(lively)))).astype(np.uint8)
    return _morphed(_morphed(moving, cv2.MORPH_CLOSE, 3), cv2.MORPH_OPEN, 3) > 0


def _two_parts(moving: Mask) -> tuple[Mask, ...]:
    """What moves left and right of a gap, or above and below one; nothing where there is no such gap.

    Small pieces (a clock, a curve that runs) may bridge the gap, and so are left out where that leaves more on either
    side of one.
    """
    joined = _morphed(moving.astype(np.uint8), cv2.MORPH_CLOSE, NARROWEST_GAP)
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    largest_first = 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")
    areas = stats[largest_first, cv2.CC_STAT_AREA]
    no_specks = int(np.sum(areas > SPECK * areas.sum()))
    best, parts = SMALLEST_SHARE * float(moving.sum()), tuple[Mask, ...]()
    for most in range(min(no_specks, MOST_PIECES), 1, -1):
        left_in = moving & np.isin(pieces, largest_first[:most])
        enough, axis, place = _best_cut(left_in)
        if enough > best:
            best, parts = enough, _beside(left_in, axis, place)
    return tuple(_without_strays(part) for part in parts)


def _best_cut(moving: Mask) -> tuple[int, int, int]:
    """How much the gap that leaves most on either side leaves there at least, in px, its axis and its middle."""
    best, axis_of_best, middle = 0, 0, 0
    for axis in (1, 0):
        profile = moving.sum(axis=1 - axis)
        before = np.cumsum(profile)
        empty = np.flatnonzero(profile <= 0.004 * moving.shape[1 - axis])
        for strip in np.split(empty, np.flatnonzero(np.diff(empty) > 1) + 1):
            if len(strip) >= NARROWEST_GAP:
                place = int(strip[len(strip) // 2])
                least = int(min(before[place], before[-1] - before[place]))
                if least > best:
                    best, axis_of_best, middle = least, axis, place
    return best, axis_of_best, middle


def _beside(moving: Mask, axis: int, place: int) -> tuple[Mask, Mask]:
    """What lies before and after a place along an axis."""
    before = np.expand_dims(np.arange(moving.shape[axis]) < place, 1 - axis)
    return moving & before, moving & ~before


def _without_strays(part: Mask) -> Mask:
    """A view without what moves beside it: its largest piece, and sizeable ones close by that a shadow has cut off."""
    joined = _morphed(part.astype(np.uint8), cv2.MORPH_CLOSE, 9)
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    sizeable = stats[1:, cv2.CC_STAT_AREA] >= 0.05 * stats[1:, cv2.CC_STAT_AREA].max()
    low = stats[1:, [cv2.CC_STAT_LEFT, cv2.CC_STAT_TOP]]
    high = low + stats[1:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
    largest = int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    apart = np.maximum(low - high[largest], low[largest] - high).max(axis=1)
    close = apart < CLOSE * (high - low)[largest].min()
    return part & np.isin(pieces, 1 + np.flatnonzero(sizeable & close))


def _box(part: Mask) -> Roi:
    columns, rows = np.flatnonzero(part.any(axis=0)), np.flatnonzero(part.any(axis=1))
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y


def _grown(box: Roi, other: Roi, pictures: NDArray[np.uint8]) -> Roi:
    """The box with the echoes above and below that stand still, such as reverberation under the probe's face."""
    x, y, width, height = box
    strip = np.median(pictures[:, :, x : x + width], axis=0)
    level = np.median(strip, axis=1)
    still = np.median(np.abs(strip - level[:, None]), axis=1) > GRAIN
    if other[0] < x + width and x < other[0] + other[2]:
        still[other[1] : other[1] + other[3]] = False
    rows = np.flatnonzero(still)
    top, bottom, reach = y, y + height, max(1, round(BANDS * height))
    for row in rows[rows < top][::-1]:
        top = int(row) if top - row <= reach else top
    for row in rows[rows >= bottom]:
        bottom = int(row) + 1 if row - bottom < reach else bottom
    return x, top, width, bottom - top


def _fan_likeness(part: Mask) -> float:
    """How much emptier the corners of the view's box are than the middle of its upper or lower edge, in [-1, 1]."""
    x, y, width, height = _box(part)
    reach = max(3, min(width, height) // 12)
    inside = np.pad(part[y : y + height, x : x + width].astype(np.uint8), reach)
    outlines, _ = cv2.findContours(_morphed(inside, cv2.MORPH_CLOSE, reach), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled: NDArray[np.uint8] = np.zeros(inside.shape, np.uint8)
    cv2.drawContours(filled, outlines, -1, 1, cv2.FILLED)
    empty = 1.0 - filled[reach:-reach, reach:-reach]
    rows, columns = max(1, round(CORNER * height)), max(1, round(CORNER * width))
    middle = slice((width - columns) // 2, (width + columns) // 2)
    return max(
        min(edge[:, :columns].mean(), edge[:, -columns:].mean()) - edge[:, middle].mean()
        for edge in (empty[:rows], empty[-rows:])
    )


def _morphed(mask: NDArray[np.uint8], operation: int, size_px: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.morphologyEx(mask, operation, np.ones((size_px, size_px), np.uint8)), dtype=np.uint8)
