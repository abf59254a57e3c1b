"""Whether a NIfTI file is all there: ITK reads one that breaks off with zeros for what is missing, and is silent."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

SUFFIXES = (".nii", ".nii.gz")
HEADER = 348
"""Bytes of the header of version 1, which nearly all files have; it begins with this number."""


def breaks_off(path: Path) -> bool:
    """Whether a file of version 1, compressed or not, ends before its last voxel."""
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            header = file.read(HEADER)
            order = next((o for o in "<>" if header[:4] == struct.pack(f"{o}i", HEADER)), None)
            if order is None:
                return False
            axes, *sizes = struct.unpack_from(f"{order}8h", header, 40)
            (bits,) = struct.unpack_from(f"{order}h", header, 72)
            (offset,) = struct.unpack_from(f"{order}f", header, 108)
            missing = int(offset) + math.prod(sizes[:axes]) * bits // 8 - len(header)
            while missing > 0 and (block := file.read(1 << 20)):
                missing -= len(block)
            return missing > 0
    except (EOFError, zlib.error, gzip.BadGzipFile, struct.error):
        return True
