"""``read``: the two views of an exam, cut out and calibrated, as stacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..outputs import staged
from ..progress import SILENT, Progress


def run(
    *,
    out: Path,
    video: Path | None = None,
    sagittal: Path | None = None,
    transverse: Path | None = None,
    sagittal_roi: Sequence[int] | None = None,
    transverse_roi: Sequence[int] | None = None,
    spacing_mm: float | Sequence[float] | None = None,
    flip_sagittal: bool = False,
    flip_transverse: bool = False,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Write ``sagittal.nrrd`` and ``transverse.nrrd``: 8-bit grey, slice k is frame k, spacing (column, row, 1) mm.

    Args:
        out: folder for the two files.
        video: one recording with both views (a file, or a folder of pictures); they are looked for where not both
            regions are given.
        sagittal: a recording of the sagittal view.
        transverse: a recording of the transverse view.
        sagittal_roi: x, y, width, height in px.
        transverse_roi: likewise.
        spacing_mm: of both views, one number or (row, column); overrides what the files say.
        flip_sagittal: the sagittal pictures show the head on the right.
        flip_transverse: the transverse pictures show the patient's left on the left.
        progress: told while the files are read.

    Returns:
        ``frames``; of each view ``_size_px`` [width, height] and ``_spacing_mm`` [row, column]; ``sagittal_roi`` and
        ``transverse_roi`` where they were found, and ``views_note``; None where they were given; ``notes``: what was
        seen in the pictures, and how they are taken to lie, in sentences.

    Raises:
        InputError: as :func:`..video.exam.read_exam` says, or ``out`` cannot be written.
    """
    from ..video.exam import read_exam, write_stack

    with staged(Path(out)) as folder:
        exam = read_exam(
            video=video,
            sagittal=sagittal,
            transverse=transverse,
            sagittal_roi=_region(sagittal_roi),
            transverse_roi=_region(transverse_roi),
            spacing_mm=(spacing_mm[0], spacing_mm[1]) if isinstance(spacing_mm, Sequence) else spacing_mm,
            flip_sagittal=flip_sagittal,
            flip_transverse=flip_transverse,
            progress=progress.named("Read").part(0, 0.9),
        )
        write_stack(folder / "sagittal.nrrd", exam.sagittal, exam.sagittal_spacing_mm)
        write_stack(folder / "transverse.nrrd", exam.transverse, exam.transverse_spacing_mm)
        progress.named("Read").report(1.0)
        found = exam.found
        return {
            "frames": len(exam.sagittal),
            "sagittal_size_px": list(exam.sagittal.shape[:0:-1]),
            "transverse_size_px": list(exam.transverse.shape[:0:-1]),
            "sagittal_spacing_mm": list(exam.sagittal_spacing_mm),
            "transverse_spacing_mm": list(exam.transverse_spacing_mm),
            "sagittal_roi": list(found.sagittal) if found and found.sagittal else None,
            "transverse_roi": list(found.transverse) if found and found.transverse else None,
            "views_note": found.note if found else None,
            "notes": list(exam.notes),
        }


def _region(roi: Sequence[int] | None) -> tuple[int, int, int, int] | None:
    if roi is None:
        return None
    x, y, width, height = roi
    return x, y, width, height
