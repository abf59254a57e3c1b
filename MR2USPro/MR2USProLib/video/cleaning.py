"""What a scanner and a recorder did to two views that belong together: combs, marks, pictures that repeat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..progress import SILENT, Progress
from .interlace import COMB, comb, deinterlaced
from .overlay import without_overlay

Stack = NDArray[np.uint8]


def clean(
    views: tuple[Stack, Stack], first_rows: tuple[int, int], progress: Progress = SILENT
) -> tuple[tuple[Stack, Stack], tuple[str, ...]]:
    """Undo what can be undone, and say what was found.

    Pictures that repeat stay: each lies where its predecessor lies, which is true to what it shows, and frames keep
    the numbers that they have in the file.

    Args:
        views: the sagittal and the transverse view, uint8 (frame, row, column).
        first_rows: of each in the whole picture.
        progress: told while pictures are filled.

    Returns:
        The two views, and sentences.
    """
    notes = _repeats(*views)
    if max(comb(view) for view in views) > COMB:
        views = deinterlaced(views[0], first_rows[0]), deinterlaced(views[1], first_rows[1])
        notes.append("The video is interlaced: of each picture only the even rows were used.")
    sagittal, sagittal_share = without_overlay(views[0], progress.part(0, 0.5))
    transverse, transverse_share = without_overlay(views[1], progress.part(0.5, 1))
    for view, share in (("sagittal", sagittal_share), ("transverse", transverse_share)):
        if share:
            notes.append(
                f"Text or marks cover {100 * share:.2f} % of the {view} view; they were filled from the pixels around "
                "them."
            )
    return (sagittal, transverse), tuple(notes)


def _repeats(sagittal: Stack, transverse: Stack) -> list[str]:
    pairs = range(1, len(sagittal))
    still = np.array([[np.array_equal(v[t], v[t - 1]) for v in (sagittal, transverse)] for t in pairs])
    both, one = int(still.all(axis=1).sum()), int((still.any(axis=1) & ~still.all(axis=1)).sum())
    notes = []
    if both:
        notes.append(f"{_frames(both)} their predecessor exactly and will lie where it lies.")
    if one:
        notes.append(
            f"{_frames(one)} their predecessor exactly in one view only: the two views may not belong together there."
        )
    return notes


def _frames(count: int) -> str:
    return f"{count} frame{'s repeat' if count > 1 else ' repeats'}"
