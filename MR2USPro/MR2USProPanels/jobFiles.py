"""Images between the scene and the files of a job."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def volumeFromFile(path: Path, name: str, node: Any) -> Any:
    """A volume node of an image that a job left."""
    from MR2USProLib.mrml import volume_node
    from MR2USProLib.volume import Volume, read_image

    return volume_node(Volume.of(read_image(path)), name, node)


def labelFromFile(path: Path, name: str, node: Any) -> Any:
    """A label map node of an image that a job left."""
    from MR2USProLib.mrml import label_node
    from MR2USProLib.volume import Volume, read_image

    return label_node(Volume.of(read_image(path)), name, node)


def volumeToFile(volume: Any, path: Path) -> Path:
    """A volume node as a file. Not compressed: the worker reads it once, and the user waits."""
    import SimpleITK as sitk

    from MR2USProLib.mrml import volume_of

    sitk.WriteImage(volume_of(volume).to_sitk(), str(path))
    return path


def sequenceToFile(sequence: Any, path: Path) -> Path:
    """A sequence of pictures as a file, time last."""
    import numpy as np
    import SimpleITK as sitk

    from MR2USProLib.mrml import frames_of, grid_of
    from MR2USProLib.volume import Grid, Volume

    frames = frames_of(sequence)
    column, row, _depth = grid_of(sequence.GetNthDataNode(0)).spacing_mm
    grid = Grid(frames.shape[:3], (column, row, 1.0), (0.0, 0.0, 0.0), np.eye(3))
    sitk.WriteImage(Volume(frames, grid).to_sitk(), str(path))
    return path
