"""``inspect``: what a file or two hold, before anything is done with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..outputs import staged
from ..progress import SILENT, Progress

if TYPE_CHECKING:
    from ..video.frames import Glance
    from ..video.recording import Spacing


def run(
    *,
    out: Path,
    video: Path | None = None,
    sagittal: Path | None = None,
    transverse: Path | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Write the first picture that shows something, and say what the file holds.

    A file with both views gives ``picture.nrrd``; two files give ``sagittal.nrrd`` and ``transverse.nrrd``. Each is one
    slice of 8-bit grey, its pixels 1 mm large where their size is not known.

    Returns:
        ``frames``; ``size_px`` [width, height] and ``spacing_mm`` [row, column] (None: not known) of the picture or the
        sagittal one, ``transverse_size_px`` and ``transverse_spacing_mm`` likewise; ``spacing_source``: a sentence;
        ``sagittal_roi`` and ``transverse_roi`` [x, y, width, height], None where no views were looked for or found;
        ``views_confidence`` (high, low, none) and ``views_note``, a sentence.

    Raises:
        InputError: a file cannot be read, two files do not belong together, or ``out`` cannot be written.
    """
    from ..video.exam import check_same_length, only_region
    from ..video.frames import glance, open_recording
    from ..video.views import Views, find_views

    reading = progress.named("Read")
    with staged(Path(out)) as folder:
        if video is not None and sagittal is None and transverse is None:
            recordings = (open_recording(video),) * 2
            first = second = glance(recordings[0], reading)
            views = find_views(first.pictures, recordings[0])
            rois = views.sagittal, views.transverse
        elif video is None and sagittal is not None and transverse is not None:
            recordings = open_recording(sagittal), open_recording(transverse)
            first, second = glance(recordings[0], reading.part(0, 0.5)), glance(recordings[1], reading.part(0.5, 1))
            check_same_length((recordings[0].name, recordings[1].name), (first.count, second.count))
            views = Views(None, None, "none", "Each view has a file of its own.")
            rois = only_region(recordings[0]), only_region(recordings[1])
        else:
            raise InputError("Give one file with both views, or one file for each of the two views.")
        spacings = [recording.spacing_of(roi) for recording, roi in zip(recordings, rois, strict=True)]
        if first is second:
            _write(folder / "picture.nrrd", first, spacings[0])
        else:
            _write(folder / "sagittal.nrrd", first, spacings[0])
            _write(folder / "transverse.nrrd", second, spacings[1])
        sources = dict.fromkeys(recording.spacing_source for recording in recordings)
        return {
            "frames": first.count,
            "size_px": _size(first),
            "transverse_size_px": _size(second),
            "spacing_mm": _listed(spacings[0]),
            "transverse_spacing_mm": _listed(spacings[1]),
            "spacing_source": " ".join(sources),
            "sagittal_roi": _listed(views.sagittal),
            "transverse_roi": _listed(views.transverse),
            "views_confidence": views.confidence,
            "views_note": views.note,
        }


def _write(path: Path, seen: Glance, spacing_mm: Spacing | None) -> None:
    from ..video.exam import write_stack

    write_stack(path, seen.first[None], spacing_mm or (1.0, 1.0))


def _size(seen: Glance) -> list[int]:
    rows, columns = seen.first.shape
    return [columns, rows]


def _listed(values: tuple | None) -> list | None:
    return None if values is None else list(values)
