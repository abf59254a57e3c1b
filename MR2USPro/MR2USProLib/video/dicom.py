"""Ultrasound in DICOM: multi-frame files and series of single pictures.

Only what is needed for the pictures and their geometry is read from a header; nothing that names a patient is.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Cancelled, InputError
from ..progress import Progress
from .movie import decode_movie
from .recording import Recording, Region, Spacing, grey, limits, overlap_px, to_grey_levels

if TYPE_CHECKING:
    from pydicom import Dataset

SAMPLE = 12
"""Pictures that show how bright a recording of more than 8 bits is."""

TAGS = [
    "Rows",
    "Columns",
    "NumberOfFrames",
    "BitsAllocated",
    "PhotometricInterpretation",
    "PixelSpacing",
    "SequenceOfUltrasoundRegions",
    "SharedFunctionalGroupsSequence",
    "SeriesInstanceUID",
    "InstanceNumber",
    "AcquisitionDateTime",
    "AcquisitionTime",
    "ContentTime",
    *(
        f"{colour}PaletteColorLookupTable{part}"
        for colour in ("Red", "Green", "Blue")
        for part in ("Descriptor", "Data")
    ),
]
ORDERS = ("InstanceNumber", "AcquisitionDateTime", "AcquisitionTime", "ContentTime")
"""What says in which order pictures of a series were taken, best first."""

TISSUE, TWO_DIMENSIONAL, CENTIMETRES = 1, 1, 3
"""Values of RegionDataType, RegionSpatialFormat and PhysicalUnitsXDirection (DICOM PS3.3, C.8.5.5)."""

MPEG = "1.2.840.10008.1.2.4.10"
"""Transfer syntaxes that begin so are whole videos in the place of pixels: MPEG-2, H.264 and H.265."""


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM, by its preamble."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def open_dicom(files: Sequence[Path], name: str) -> Recording:
    """A multi-frame file, or the files of one series in any order, which are put into the order of acquisition.

    Args:
        files: DICOM files; those of a series in the order of their names.
        name: of the file or folder, for messages.

    Raises:
        InputError: no pictures, pictures of different sizes, several series.
    """
    headers = [_header(file, name) for file in files]
    first = headers[0]
    if len({header.get("SeriesInstanceUID") for header in headers}) > 1:
        raise InputError(f"{name} holds several DICOM series: give a folder with one of them.")
    if len({(header.Rows, header.Columns) for header in headers}) > 1:
        raise InputError(f"{name} holds pictures of different sizes: give a folder with one sweep.")
    with _unnamed(name):
        ordered = [files[t] for t in _order(headers)]
        count = sum(int(header.get("NumberOfFrames") or 1) for header in headers)
        regions, spacing = _regions(first), _pixel_spacing(first)
    inverted = first.get("PhotometricInterpretation") == "MONOCHROME1"

    def decode(progress: Progress) -> Iterator[NDArray[np.uint8]]:
        progress.report(0.0, f"Reading {name}")
        if first.file_meta.TransferSyntaxUID.startswith(MPEG):
            yield from _video(ordered[0], name, progress)
            return
        between = None if first.get("BitsAllocated") == 8 else limits(_sample(ordered, first, count, name))
        done = 0
        for file in ordered:
            for picture in _pixels(file, first, name):
                done += 1
                levels = to_grey_levels(picture, between)
                yield 255 - levels if inverted else levels
                progress.report(min(done / count, 1.0), f"Reading {name}")
        if done < count:
            raise InputError(f"{name} breaks off after {done} of {count} frames: give the complete file.")

    if any(region.spacing_mm for region in regions):
        source = f"The header of {name} calibrates the views in its pictures."
    elif spacing:
        source = f"The header of {name} says how large its pixels are."
    else:
        source = f"The header of {name} does not say how large its pixels are."
    return Recording(name, decode, spacing, source, regions)


@contextmanager
def _unnamed(name: str) -> Iterator[None]:
    """Failures of pydicom and its decoders as a sentence of ours: theirs may quote what a header holds."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (InputError, Cancelled, MemoryError):
        raise
    except Exception:
        raise InputError(
            f"{name} could not be read as DICOM: give complete files, or convert them to an uncompressed transfer "
            "syntax."
        ) from None


def _header(path: Path, name: str) -> Dataset:
    from pydicom import dcmread

    with _unnamed(name):
        header = dcmread(path, stop_before_pixels=True, specific_tags=[*TAGS])
        if not (header.get("Rows") and header.get("Columns") and "TransferSyntaxUID" in header.file_meta):
            raise InputError(f"{name} is DICOM without pictures: give the ultrasound recording itself.")
    return header


def _order(headers: Sequence[Dataset]) -> list[int]:
    """Files in the order in which they were taken; as they came where the headers do not say."""
    for key in ORDERS:
        values = [header.get(key) for header in headers]
        if all(value is not None and value != "" for value in values) and len(set(values)) == len(values):
            return sorted(range(len(values)), key=values.__getitem__)
    return list(range(len(headers)))


def _pixels(path: Path, header: Dataset, name: str, indices: list[int] | None = None) -> Iterator[NDArray]:
    """Pictures (row, column) of the values that are stored, in grey."""
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import iter_pixels

    palette = header.get("PhotometricInterpretation") == "PALETTE COLOR"
    frames: Iterator[Any] = iter(iter_pixels(path, indices=indices))
    while True:
        with _unnamed(name):
            pixels = next(frames, None)
            if palette and pixels is not None:
                pixels = apply_color_lut(pixels, header)
                pixels = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
        if pixels is None:
            return
        yield grey(pixels) if pixels.ndim == 3 else pixels


def _sample(files: Sequence[Path], header: Dataset, count: int, name: str) -> NDArray:
    """A few pictures spread over one file, or over many."""
    if len(files) == 1:
        indices = np.unique(np.linspace(0, count - 1, min(count, SAMPLE)).astype(int))
        return np.stack(list(_pixels(files[0], header, name, indices.tolist())))
    spread = np.linspace(0, len(files) - 1, min(len(files), SAMPLE)).astype(int)
    return np.stack([next(_pixels(files[i], header, name)) for i in spread])


def _video(path: Path, name: str, progress: Progress) -> Iterator[NDArray[np.uint8]]:
    """The pictures of a video that lies in the place of the pixels."""
    from pydicom import dcmread
    from pydicom.encaps import generate_fragments

    with _unnamed(name):
        pixels = dcmread(path, specific_tags=["PixelData"]).PixelData
        stream = b"".join(list(generate_fragments(pixels))[1:])  # the first one is the table of offsets
    with tempfile.TemporaryDirectory() as folder:
        movie = Path(folder) / "stream"
        movie.write_bytes(stream)
        yield from decode_movie(movie, name, progress)


def _regions(header: Dataset) -> tuple[Region, ...]:
    """The two-dimensional views of tissue, each once."""
    found: list[Region] = []
    for item in header.get("SequenceOfUltrasoundRegions") or ():
        if (item.get("RegionDataType"), item.get("RegionSpatialFormat")) != (TISSUE, TWO_DIMENSIONAL):
            continue
        x, y = max(0, int(item.RegionLocationMinX0)), max(0, int(item.RegionLocationMinY0))
        # The last pixel belongs to the region; some scanners give the first one beyond.
        right = min(int(item.RegionLocationMaxX1), header.Columns - 1)
        bottom = min(int(item.RegionLocationMaxY1), header.Rows - 1)
        box = (x, y, right - x + 1, bottom - y + 1)
        if min(box[2:]) > 1 and not any(2 * overlap_px(box, other.box) > box[2] * box[3] for other in found):
            found.append(Region(box, _calibration(item)))
    return tuple(found)


def _calibration(item: Dataset) -> Spacing | None:
    units = item.get("PhysicalUnitsXDirection"), item.get("PhysicalUnitsYDirection")
    row, column = abs(float(item.get("PhysicalDeltaY") or 0)), abs(float(item.get("PhysicalDeltaX") or 0))
    return (10 * row, 10 * column) if units == (CENTIMETRES, CENTIMETRES) and row and column else None


def _pixel_spacing(header: Dataset) -> Spacing | None:
    values = header.get("PixelSpacing")
    for group in header.get("SharedFunctionalGroupsSequence") or ():
        for measures in group.get("PixelMeasuresSequence") or ():
            values = values or measures.get("PixelSpacing")
    # As in other files, 1 x 1 mm is what programs write that do not know.
    return (float(values[0]), float(values[1])) if values and [float(v) for v in values] != [1.0, 1.0] else None
