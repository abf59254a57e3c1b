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
from .cleaning import clean
from .frames import BLACK, glance, open_recording, read_frames
from .recording import Recording, Roi, Spacing, overlap_px
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
        notes: what was seen in the pictures and done about it, and how they are taken to lie, in sentences.
    """

    sagittal: NDArray[np.uint8]
    transverse: NDArray[np.uint8]
    sagittal_spacing_mm: Spacing
    transverse_spacing_mm: Spacing
    found: Views | None = None
    notes: tuple[str, ...] = ()


def read_exam(
    *,
    video: Path | None = None,
    sagittal: Path | None = None,
    transverse: Path | None = None,
    sagittal_roi: Roi | None = None,
    transverse_roi: Roi | None = None,
    spacing_mm: float | Spacing | None = None,
    flip_sagittal: bool = False,
    flip_transverse: bool = False,
    progress: Progress = SILENT,
) -> Exam:
    """Read an exam from one recording that shows both views, or from one for each.

    A recording is a video, a DICOM file, an image stack, or a folder of DICOM files or pictures.

    Args:
        video: a recording with both views in every picture; where not both regions of interest are given, its header
            is asked for them, and else they are looked for.
        sagittal: a recording of the sagittal view.
        transverse: a recording of the transverse view.
        sagittal_roi: where the sagittal view lies in its pictures: x, y, width, height in px.
        transverse_roi: the same of the transverse view.
        spacing_mm: of both views, one number or (row, column); overrides what the files say.
        flip_sagittal: the sagittal pictures show the head on the right.
        flip_transverse: the transverse pictures show the patient's left on the left.
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
        recording = open_recording(video)
        recordings = recording, recording
        if sagittal_roi is None or transverse_roi is None:
            found = find_views(glance(recording, progress.part(0, 0.5)).pictures, recording)
            progress = progress.part(0.5, 1)
            sagittal_roi, transverse_roi = _completed(sagittal_roi, transverse_roi, found, recording.name)
        regions = (("--sagittal-roi", sagittal_roi), ("--transverse-roi", transverse_roi))
        views = read_frames(recording, regions, progress.part(0, 0.8))
    elif sagittal is not None and transverse is not None:
        recordings = open_recording(sagittal), open_recording(transverse)
        sagittal_roi, transverse_roi = (
            roi or only_region(recording)
            for roi, recording in zip((sagittal_roi, transverse_roi), recordings, strict=True)
        )
        views = (
            *read_frames(recordings[0], [("--sagittal-roi", sagittal_roi)], progress.part(0, 0.4)),
            *read_frames(recordings[1], [("--transverse-roi", transverse_roi)], progress.part(0.4, 0.8)),
        )
    else:
        raise InputError("Give a file with both views as --video, or one file for each as --sagittal and --transverse.")

    rois, names = (sagittal_roi, transverse_roi), ("sagittal", "transverse")
    for stack, recording, view in zip(views, recordings, names, strict=True):
        if len(stack) < 2:
            raise InputError(
                f"{recording.name} holds a single picture: give a sweep of at least two frames, or the "
                "folder that holds all of its pictures."
            )
        if stack.max() <= BLACK:
            raise InputError(
                f"The {view} view in {recording.name} is black throughout: check the file and --{view}-roi x,y,w,h."
            )
    check_same_length((recordings[0].name, recordings[1].name), (len(views[0]), len(views[1])))
    spacings = [given or _known(recording, roi) for recording, roi in zip(recordings, rois, strict=True)]
    cleaned, notes = clean((views[0], views[1]), (_first_row(rois[0]), _first_row(rois[1])), progress.part(0.8, 1))
    flips = (flip_sagittal, flip_transverse)
    first, second = (
        np.ascontiguousarray(view[:, :, ::-1]) if flip else view for view, flip in zip(cleaned, flips, strict=True)
    )
    return Exam(first, second, spacings[0], spacings[1], found, (*notes, _orientation(*flips)))


def only_region(recording: Recording) -> Roi | None:
    """The region that a recording of one view marks in its pictures, where it marks one."""
    return recording.regions[0].box if len(recording.regions) == 1 else None


def check_same_length(names: tuple[str, str], frames: tuple[int, int]) -> None:
    """Refuse two views of different length.

    Raises:
        InputError: the numbers of frames differ.
    """
    if frames[0] != frames[1]:
        raise InputError(
            f"{names[0]} has {frames[0]} frames and {names[1]} has {frames[1]}: "
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


def _completed(sagittal: Roi | None, transverse: Roi | None, found: Views, name: str) -> tuple[Roi, Roi]:
    """Both regions: those that were given, and what was found in place of the others."""
    if found.sagittal is None or found.transverse is None:
        raise InputError(
            f"{name} does not clearly show two views: say where they are with --sagittal-roi x,y,w,h and "
            "--transverse-roi x,y,w,h."
        )
    boxes = found.sagittal, found.transverse
    if sagittal is not None:
        return sagittal, min(boxes, key=lambda box: overlap_px(box, sagittal))
    if transverse is not None:
        return min(boxes, key=lambda box: overlap_px(box, transverse)), transverse
    return boxes


def _first_row(roi: Roi | None) -> int:
    return roi[1] if roi else 0


def _orientation(flip_sagittal: bool, flip_transverse: bool) -> str:
    head, left = ("right" if flip_sagittal else "left"), ("left" if flip_transverse else "right")
    return (
        f"The head is taken to be on the {head} of the sagittal pictures, and the patient's left on the {left} of the "
        "transverse ones; no file says so."
    )


def _checked_spacing(spacing_mm: float | Spacing) -> Spacing:
    row, column = spacing_mm if isinstance(spacing_mm, tuple | list) else (spacing_mm, spacing_mm)
    if not all(math.isfinite(s) and PLAUSIBLE_MM[0] <= s <= PLAUSIBLE_MM[1] for s in (row, column)):
        raise InputError(
            f"--spacing {spacing_mm} is no pixel size of an ultrasound picture: give mm per pixel, "
            f"between {PLAUSIBLE_MM[0]} and {PLAUSIBLE_MM[1]}."
        )
    return float(row), float(column)


def _known(recording: Recording, roi: Roi | None) -> Spacing:
    spacing_mm = recording.spacing_of(roi)
    if spacing_mm is None:
        raise InputError(
            f"{recording.name} does not say how large its pixels are: give --spacing in mm per pixel, "
            "read off the ruler in the picture."
        )
    if not all(PLAUSIBLE_MM[0] <= s <= PLAUSIBLE_MM[1] for s in spacing_mm):
        row, column = spacing_mm
        raise InputError(
            f"{recording.name} says that its pixels are {column:g} x {row:g} mm, which no ultrasound picture has: "
            "give --spacing in mm per pixel."
        )
    return spacing_mm
