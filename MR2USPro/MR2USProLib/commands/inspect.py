"""``inspect``: what a file or two hold, before anything is done with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..outputs import staged
from ..progress import SILENT, Progress

if TYPE_CHECKING:
    from ..video.frames import Glance


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
    from ..video.exam import check_same_length
    from ..video.frames import glance
    from ..video.views import Views, find_views

    reading = progress.named("Read")
    with staged(Path(out)) as folder:
        if video is not None and sagittal is None and transverse is None:
            first = second = glance(Path(video), reading)
            views = find_views(first.pictures)
            _write(folder / "picture.nrrd", first)
        elif video is None and sagittal is not None and transverse is not None:
            first = glance(Path(sagittal), reading.part(0, 0.5))
            second = glance(Path(transverse), reading.part(0.5, 1))
            check_same_length((Path(sagittal), Path(transverse)), (first.count, second.count))
            views = Views(None, None, "none", "Each view has a file of its own.")
            _write(folder / "sagittal.nrrd", first)
            _write(folder / "transverse.nrrd", second)
        else:
            raise InputError("Give one file with both views, or one file for each of the two views.")
        sources = dict.fromkeys((first.spacing_source, second.spacing_source))
        return {
            "frames": first.count,
            "size_px": _size(first),
            "transverse_size_px": _size(second),
            "spacing_mm": _listed(first.spacing_mm),
            "transverse_spacing_mm": _listed(second.spacing_mm),
            "spacing_source": " ".join(sources),
            "sagittal_roi": _listed(views.sagittal),
            "transverse_roi": _listed(views.transverse),
            "views_confidence": views.confidence,
            "views_note": views.note,
        }


def _write(path: Path, seen: Glance) -> None:
    from ..video.exam import write_stack

    write_stack(path, seen.first[None], seen.spacing_mm or (1.0, 1.0))


def _size(seen: Glance) -> list[int]:
    rows, columns = seen.first.shape
    return [columns, rows]


def _listed(values: tuple | None) -> list | None:
    return None if values is None else list(values)
