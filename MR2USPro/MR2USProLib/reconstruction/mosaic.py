"""Stitching: the sagittal frames of a sweep become one map, and each frame's place on it is known (paper, III-A)."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import SILENT, Progress
from .features import FeatureMatcher, PointMatcher
from .growing_map import GrowingMap
from .joint import position_error_px
from .layers import follow_layers
from .localisation import Track, feather, follow
from .pins import pinned
from .polish import polish
from .probe_layer import ProbeLayer

Matcher = Literal["auto", "layers", "sift", "orb", "loftr"]
OneMatcher = Literal["layers", "sift", "orb", "loftr"]

LONGEST_GAP = 10
"""Frames that failed in a row are interpolated up to this many; beyond, nobody knows how the probe moved."""

GOOD_QUALITY = 0.6
"""With a stitching as good as that, ``auto`` tries no other way."""

MOST_FAILED = 1 / 3
"""With a larger share of frames that failed, the whole stitching is not to be trusted."""

POSITION_DIGITS = 4
"""Decimals of a position in mm."""

COLUMNS = ("frame", "position_mm", "offset_x_px", "offset_y_px", "matches", "inliers", "confidence", "status")
"""Header of the table of positions."""


@dataclass(frozen=True)
class Stitching:
    """Where the sagittal frames of a sweep lie on their map.

    Attributes:
        offsets_px: (n, 2) [x, y] of each frame's top-left pixel, relative to the first frame that was placed.
        matches: (n,) matched key points of each frame, or with ``layers`` the blocks in which it was compared.
        inliers: (n,) matches that agree on the frame's offset.
        confidence: (n,) in [0, 1]: correlation of frame and map times the share of inliers in the two largest clusters,
            0 for frames that were not placed by matching.
        status: ``ok``: placed by matching; ``interpolated``: failed, placed between its neighbours in time;
            ``rejected``: excluded by the user, or failed with no good frame on both sides near enough; holds a
            neighbour's offset or a guess between the two.
        residual_px: (n,) root mean square spread of the inliers about the offset, NaN unless ``ok``.
        map: float32 (rows, columns), mean grey level of the frames that are ``ok``, NaN where nothing was seen.
        map_origin_px: offset [x, y] of the map's first pixel.
        matcher: ``layers``, ``sift``, ``orb`` or ``loftr``, the one that was used.
        quality: share of frames that were placed times their median correlation with the map, in [0, 1]; ``auto`` keeps
            the matcher with the highest one.
        position_error_px: mean absolute error of the positions to be expected, see :func:`.joint.position_error_px`.
    """

    offsets_px: NDArray[np.float64]
    matches: NDArray[np.int64]
    inliers: NDArray[np.int64]
    confidence: NDArray[np.float64]
    status: tuple[str, ...]
    residual_px: NDArray[np.float64]
    map: NDArray[np.float32]
    map_origin_px: tuple[int, int]
    matcher: str
    quality: float
    position_error_px: float

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Frames whose place is known and whose picture is good: those that are ``ok``."""
        return np.array([status == "ok" for status in self.status])

    def positions_mm(self, column_spacing_mm: float) -> NDArray[np.float64]:
        """(n,) positions along the probe's shaft, caudal positive, in the tenths of a micrometre of the table."""
        return np.round(self.offsets_px[:, 0] * column_spacing_mm, POSITION_DIGITS)


def stitch(
    frames: NDArray[np.uint8],
    *,
    matcher: Matcher = "auto",
    loftr: PointMatcher | None = None,
    excluded: Set[int] = frozenset(),
    pinned_px: Mapping[int, float] | None = None,
    progress: Progress = SILENT,
) -> Stitching:
    """Stitch sagittal frames to a map and locate each on it.

    What moves with the probe is removed first. Then either the grey levels of each frame are laid on the map where they
    fit best (``layers``, see :mod:`.layers`), or, as in the paper, its key points are matched against the map that has
    grown so far (``sift``, ``orb``,
    ``loftr``): DBSCAN keeps the largest cluster of coordinate differences, its mean is the
    frame's offset, and at the end correlation polishes all offsets to fractions of a pixel.

    Args:
        frames: uint8 (frame, row, column), columns along the direction of motion.
        matcher: how; ``auto`` takes ``layers`` and, where that is not good enough, tries the key points as well and
            keeps the best by :attr:`Stitching.quality`.
        loftr: what pairs places for ``loftr``, a :class:`.loftr.LoftrMatcher`; without it ``auto`` does not try that.
        excluded: frames that are not looked at.
        pinned_px: frames and the places [x] that they shall hold; see :func:`.pins.pinned`.
        progress: told before every frame.

    Raises:
        InputError: too few frames, nothing in them, nothing moving, or too many that cannot be matched.
    """
    if frames.ndim != 3 or len(frames) < 2:
        raise InputError(f"Stitching needs at least two sagittal frames, not {len(frames)}: give a longer sweep.")
    if min(frames.shape[1:]) < 32:
        raise InputError(
            f"Sagittal frames of {frames.shape[2]} x {frames.shape[1]} px are too small to match: "
            "give a larger --sagittal-roi or frames of finer pixels."
        )
    used = [t for t in range(len(frames)) if t not in excluded]
    if len(used) < 2:
        raise InputError(f"All but {len(used)} of the sagittal frames are excluded: leave in at least two.")
    layer = ProbeLayer.estimate(frames[used] if excluded else frames)
    if layer.tissue.mean() < 0.05:
        raise InputError(
            "The sagittal frames are black or do not change over time: check the file and --sagittal-roi, and give a "
            "sweep in which the probe moves."
        )
    attempts: dict[OneMatcher, Track] = {}
    qualities: dict[OneMatcher, float] = {}
    for name, (start, end) in _ways(matcher, loftr):
        attempts[name] = _attempt(frames, layer, name, loftr, excluded, progress.part(start, end))
        qualities[name] = attempts[name].quality * len(frames) / len(used)
        if matcher == "auto" and qualities[name] > GOOD_QUALITY:
            break
    best = max(qualities, key=lambda name: qualities[name])
    track = attempts[best]
    failed = len(used) - int(track.placed.sum())
    if failed > MOST_FAILED * len(used) or len(used) - failed < 2:
        raise InputError(
            f"{failed} of {len(used)} sagittal frames could not be matched to the map: choose a slower, steadier "
            "part of the sweep, check that --sagittal-roi holds the sagittal view alone, or try another --matcher."
        )
    offsets, status = _complete(track, excluded)
    offsets[:, 0] = pinned(offsets[:, 0], pinned_px or {})
    track = replace(track, offsets_px=np.where(track.placed[:, None], offsets, np.nan))
    good = track.placed
    error = position_error_px(offsets[good, 0], _pulls(track), frames.shape[2])
    picture, origin = _draw(frames, layer, track, progress.part(0.95, 1))
    return Stitching(
        offsets,
        track.matches,
        track.inliers,
        np.where(track.placed, np.clip(track.correlation, 0, 1) / (1 + track.runner_up), 0.0),
        status,
        track.residual_px,
        picture,
        origin,
        best,
        qualities[best],
        error,
    )


def _ways(matcher: Matcher, loftr: PointMatcher | None) -> list[tuple[OneMatcher, tuple[float, float]]]:
    """What is tried, with its share of the progress."""
    if matcher == "auto" and loftr is not None:
        return [("layers", (0.0, 0.03)), ("orb", (0.03, 0.06)), ("sift", (0.06, 0.1)), ("loftr", (0.1, 0.95))]
    if matcher == "auto":
        return [("layers", (0.0, 0.5)), ("orb", (0.5, 0.7)), ("sift", (0.7, 0.95))]
    return [(matcher, (0.0, 0.95))]


def _attempt(
    frames: NDArray[np.uint8],
    layer: ProbeLayer,
    name: OneMatcher,
    loftr: PointMatcher | None,
    excluded: Set[int],
    progress: Progress,
) -> Track:
    if name == "layers":
        return follow_layers(frames, layer, progress, excluded)
    points = loftr if name == "loftr" else FeatureMatcher(name, frames[0].size)
    if points is None:
        raise InputError("LoFTR needs its weights, which do not come with MR2USPro: give --loftr-weights.")
    return polish(frames, layer, follow(frames, layer, points, progress.part(0, 0.9), excluded), progress.part(0.9, 1))


def _pulls(track: Track) -> NDArray[np.float64]:
    """What may have misled the placed frames: of matches, each frame's own alone."""
    good = track.placed
    if track.pulls_px is not None:
        return track.pulls_px[good]
    return np.diag(track.residual_px[good] / np.sqrt(np.maximum(track.inliers[good], 1)))


def _complete(track: Track, excluded: Set[int]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Offsets for all frames, and how each came by its own."""
    good, everyone = np.flatnonzero(track.placed), np.arange(len(track.offsets_px))
    offsets = np.column_stack([np.interp(everyone, good, track.offsets_px[good, axis]) for axis in (0, 1)])
    following = np.searchsorted(good, everyone)
    status = []
    for t, after in zip(everyone, following, strict=True):
        if track.placed[t]:
            status.append("ok")
        elif t not in excluded and 0 < after < len(good) and good[after] - good[after - 1] - 1 <= LONGEST_GAP:
            status.append("interpolated")
        else:
            status.append("rejected")
    return offsets, tuple(status)


def _draw(
    frames: NDArray[np.uint8], layer: ProbeLayer, track: Track, progress: Progress
) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """The map for the eye: the mean of the frames as they are, but for overlays and lateral edges."""
    canvas, weight = GrowingMap(), feather(layer.tissue)
    placed = np.flatnonzero(track.placed)
    for step in progress.steps(len(placed), "Drawing the map"):
        t = placed[step]
        canvas.blend(frames[t].astype(np.float32), weight, track.offsets_px[t])
    picture, origin = canvas.whole()
    return np.clip(picture, 0, 255), origin


def write_positions(path: str | Path, stitching: Stitching, column_spacing_mm: float) -> None:
    """Write one line for each frame: where it lies and how sure that is."""
    positions = stitching.positions_mm(column_spacing_mm)
    with Path(path).open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for t, status in enumerate(stitching.status):
            x, y = stitching.offsets_px[t]
            table.writerow(
                [t, f"{positions[t]:.{POSITION_DIGITS}f}", f"{x:.3f}", f"{y:.3f}", stitching.matches[t],
                 stitching.inliers[t], f"{stitching.confidence[t]:.4f}", status]
            )  # fmt: skip


def read_positions(path: str | Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Position in mm of each frame, and whether it is usable, as :func:`write_positions` wrote them.

    Raises:
        InputError: no such file, or no table of positions.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        frames = [int(row["frame"]) for row in rows]
        positions = np.array([float(row["position_mm"]) for row in rows])
        usable = np.array([row["status"] == "ok" for row in rows])
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InputError(f"{path} does not exist: check the path.") from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(f"{path.name} is no table of positions: give the positions.csv of a stitching.") from error
    if not frames or frames != list(range(len(frames))) or not np.all(np.isfinite(positions)):
        raise InputError(f"{path.name} does not give a position for each frame in turn: stitch the frames again.")
    return positions, usable
