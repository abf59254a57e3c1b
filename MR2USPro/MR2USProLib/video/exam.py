"""The biplane exam: sagittal and transverse frames that were taken at the same moments."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import SILENT, Progress
from ..volume import Grid, Volume
from .frames import BLACK, Frames, Roi, glance, read_frames
from .views import Views, find_views

PLAUSIBLE_MM = (0.005, 5.0)
"""Pixels of an ultrasound picture lie between these; beyond is a slip of units."""


@dataclass(frozen=True)
class Exam:
    """Two views of one sweep.

    Attributes:
        sagittal: uint8 (frame, row, column); columns run along the probe's shaft, the head on the left.
        transverse: uint8 (frame, row, column), 0 outside the fan; columns run to the patient's left.
        sagittal_spacing_mm, transverse_spacing_mm: (row, column).
        found: where the views were found in pictures that hold both; None where that was given.
    """

    sagittal: NDArray[np.uint8]
    transverse: NDArray[np.uint8]
    sagittal_spacing_mm: tuple[float, float]
    transverse_spacing_mm: tuple[float, float]
    found: Views | None = None


def read_exam(
    *,
    video: Path | None = None,
    sagittal: Path | None = None,
    transverse: Path | None = None,
    sagittal_roi: Roi | None = None,
    transverse_roi: Roi | None = None,
    spacing_mm: float | tuple[float, float] | None = None,
    progress: Progress = SILENT,
) -> Exam:
    """Read an exam from one file that shows both views, or from one file for each.

    Args:
        video: a video or image stack with both views in every picture; they are looked for where not both regions of
            interest are given.
        sagittal: a video or image stack of the sagittal view.
        transverse: a video or image stack of the transverse view.
        sagittal_roi: where the sagittal view lies in its pictures: x, y, width, height in px.
        transverse_roi: the same of the transverse view.
        spacing_mm: of both views, one number or (row, column); overrides what the files say.
        progress: told while the files are read.

    Raises:
        InputError: files that are missing, unreadable, too short, black, or do not belong together; regions outside
            the pictures; an unknown spacing.
    """
    given = None if spacing_mm is None else _checked_spacing(spacing_mm)
    found = None
    if video is not None:
        if sagittal is not None or transverse is not None:
            raise InputError("Give either --video, or --sagittal and --transverse, not both.")
        files = (Path(video), Path(video))
        if sagittal_roi is None or transverse_roi is None:
            found = find_views(glance(files[0], progress.part(0, 0.5)).pictures)
            progress = progress.part(0.5, 1)
            sagittal_roi, transverse_roi = _completed(sagittal_roi, transverse_roi, found, files[0])
        regions = (("--sagittal-roi", sagittal_roi), ("--transverse-roi", transverse_roi))
        both = read_frames(files[0], regions, progress)
        first, second = Frames(both.views[:1], both.spacing_mm), Frames(both.views[1:], both.spacing_mm)
    elif sagittal is not None and transverse is not None:
        files = (Path(sagittal), Path(transverse))
        first = read_frames(files[0], [("--sagittal-roi", sagittal_roi)], progress.part(0, 0.5))
        second = read_frames(files[1], [("--transverse-roi", transverse_roi)], progress.part(0.5, 1))
    else:
        raise InputError("Give a file with both views as --video, or one file for each as --sagittal and --transverse.")

    stacks = first.views[0], second.views[0]
    for stack, file, view in zip(stacks, files, ("sagittal", "transverse"), strict=True):
        if len(stack) < 2:
            raise InputError(f"{file.name} holds a single picture: give a sweep of at least two frames.")
        if stack.max() <= BLACK:
            raise InputError(
                f"The {view} view in {file.name} is black throughout: check the file and --{view}-roi x,y,w,h."
            )
    check_same_length(files, (len(stacks[0]), len(stacks[1])))
    spacings = [given or _known(frames, file) for frames, file in zip((first, second), files, strict=True)]
    return Exam(stacks[0], stacks[1], spacings[0], spacings[1], found)


def check_same_length(files: tuple[Path, Path], frames: tuple[int, int]) -> None:
    """Refuse two views of different length.

    Raises:
        InputError: the numbers of frames differ.
    """
    if frames[0] != frames[1]:
        raise InputError(
            f"{files[0].name} has {frames[0]} frames and {files[1].name} has {frames[1]}: "
            "give two views that were recorded together, frame by frame."
        )


def write_stack(path: Path, stack: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> None:
    """Write frames (frame, row, column) as one image whose slices are the frames; spacing as (row, column)."""
    row, column = spacing_mm
    Volume(stack, Grid(stack.shape, (column, row, 1.0))).write(path)


def read_stack(path: Path) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """Frames and their spacing (row, column) in mm, exactly as :func:`write_stack` wrote them.

    Raises:
        InputError: no such file, or no stack of grey pictures of 8 bits.
    """
    volume = Volume.read(path)
    if volume.array.dtype != np.uint8 or volume.array.ndim != 3:
        raise InputError(f"{Path(path).name} is no stack of grey pictures of 8 bits: read the exam's files first.")
    column, row, _ = volume.grid.spacing_mm
    return volume.array, (row, column)


def _completed(sagittal: Roi | None, transverse: Roi | None, found: Views, file: Path) -> tuple[Roi, Roi]:
    """Both regions: those that were given, and what was found in place of the others."""
    if found.sagittal is None or found.transverse is None:
        raise InputError(
            f"{file.name} does not clearly show two views: say where they are with --sagittal-roi x,y,w,h and "
            "--transverse-roi x,y,w,h."
        )
    boxes = found.sagittal, found.transverse
    if sagittal is not None:
        return sagittal, min(boxes, key=lambda box: _overlap_px(box, sagittal))
    if transverse is not None:
        return min(boxes, key=lambda box: _overlap_px(box, transverse)), transverse
    return boxes


def _overlap_px(a: Roi, b: Roi) -> int:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(width, 0) * max(height, 0)


def _checked_spacing(spacing_mm: float | tuple[float, float]) -> tuple[float, float]:
    row, column = spacing_mm if isinstance(spacing_mm, tuple | list) else (spacing_mm, spacing_mm)
    if not all(math.isfinite(s) and PLAUSIBLE_MM[0] <= s <= PLAUSIBLE_MM[1] for s in (row, column)):
        raise InputError(
            f"--spacing {spacing_mm} is no pixel size of an ultrasound picture: give mm per pixel, "
            f"between {PLAUSIBLE_MM[0]} and {PLAUSIBLE_MM[1]}."
        )
    return float(row), float(column)


def _known(frames: Frames, file: Path) -> tuple[float, float]:
    if frames.spacing_mm is None:
        raise InputError(
            f"{file.name} does not say how large its pixels are: give --spacing in mm per pixel, "
            "read off the ruler in the picture."
        )
    if not all(PLAUSIBLE_MM[0] <= s <= PLAUSIBLE_MM[1] for s in frames.spacing_mm):
        row, column = frames.spacing_mm
        raise InputError(
            f"{file.name} says that its pixels are {column:g} x {row:g} mm, which no ultrasound picture has: "
            "give --spacing in mm per pixel."
        )
    return frames.spacing_mm
