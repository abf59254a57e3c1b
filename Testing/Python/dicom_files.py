"""Ultrasound in DICOM, written by the tests: with a patient's data in it that must never come out."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

SECRETS = ("Doe^Jane", "PAT-4711", "19470823", "Sanatorium")
ULTRASOUND_MULTI_FRAME, ULTRASOUND = "1.2.840.10008.5.1.4.1.1.3.1", "1.2.840.10008.5.1.4.1.1.6.1"


def region(box, cm=(0.03, 0.02), data=1, form=1, units=3) -> Dataset:
    """An item of SequenceOfUltrasoundRegions: box x, y, w, h; cm (x, y)."""
    x, y, width, height = box
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = form, data, 0
    item.RegionLocationMinX0, item.RegionLocationMinY0 = x, y
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = x + width - 1, y + height - 1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = units
    item.PhysicalDeltaX, item.PhysicalDeltaY = cm
    return item


def write_dicom(
    path: Path,
    frames: NDArray,
    *,
    regions=(),
    photometric=None,
    syntax: str = ExplicitVRLittleEndian,
    encoded: list[bytes] | None = None,
    planar: int = 0,
    bits_stored: int | None = None,
    **elements,
) -> Path:
    """Frames (frame, row, column) or (frame, row, column, 3), as they shall be stored; ``encoded`` replaces them."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ULTRASOUND_MULTI_FRAME if len(frames) > 1 else ULTRASOUND
    meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = generate_uid(), syntax
    ds = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.InstitutionName = SECRETS
    ds.Modality, ds.SeriesInstanceUID = "US", "1.2.3.4"
    colour = frames.ndim == 4
    ds.NumberOfFrames, ds.Rows, ds.Columns = frames.shape[:3]
    ds.SamplesPerPixel = 3 if colour else 1
    ds.PhotometricInterpretation = photometric or ("RGB" if colour else "MONOCHROME2")
    if colour:
        ds.PlanarConfiguration = planar
    ds.BitsAllocated = 8 * frames.dtype.itemsize
    ds.BitsStored = bits_stored or ds.BitsAllocated
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, 0
    if regions:
        ds.SequenceOfUltrasoundRegions = list(regions)
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    if encoded is None:
        stored = frames.transpose(0, 3, 1, 2) if planar else frames
        data = np.ascontiguousarray(stored).tobytes()
        ds.PixelData = data + b"\0" * (len(data) % 2)
    else:
        ds.PixelData = encapsulate(encoded)
        ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 else "OW"
    ds.save_as(path, enforce_file_format=True)
    return path


def encode(frames: NDArray, kind: str, **options) -> list[bytes]:
    """Each frame as a file of its own, as Pillow writes it."""
    written = []
    for frame in frames:
        file = io.BytesIO()
        Image.fromarray(frame).save(file, kind, **options)
        written.append(file.getvalue())
    return written
