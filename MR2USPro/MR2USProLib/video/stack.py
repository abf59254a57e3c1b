"""Image stacks, as ITK reads them: MetaImage, NRRD, NIfTI, with time as their last axis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import Progress
from ..volume import read_image
from .recording import Recording, Spacing, grey, limits, to_grey_levels

SAMPLE = 50
"""Pictures that show how bright a stack is."""


def open_stack(path: Path) -> Recording:
    """A stack of pictures, in grey or colour.

    Raises:
        InputError: no image, or no stack of pictures.
    """
    import SimpleITK as sitk

    image = read_image(path)
    array = sitk.GetArrayViewFromImage(image)
    components, dimension = image.GetNumberOfComponentsPerPixel(), image.GetDimension()
    if components > 4 and array[..., 0].squeeze().ndim == 2:
        # Slicer writes a sequence of pictures with time as the first axis of the file; ITK takes it for components.
        array = np.moveaxis(array.reshape(*array[..., 0].squeeze().shape, components), -1, 0)
        components = 1
    elif dimension == 4 and image.GetSize()[2] == 1:
        array = array[:, 0]
    elif dimension != 3:
        raise InputError(
            f"{path.name} is an image of {dimension} dimensions: give a stack of pictures, or a video, with time last."
        )
    if components not in (1, 3, 4):
        raise InputError(f"{path.name} has {components} values in each pixel: give grey or RGB pictures.")
    if np.iscomplexobj(array):
        raise InputError(f"{path.name} holds complex numbers: save the log-compressed magnitude and use that.")
    turned = grey if components > 1 else np.array

    def decode(progress: Progress) -> Iterator[NDArray[np.uint8]]:
        assert image is not None  # it owns the memory of the array, and so must live as long
        between = limits(turned(array[:: max(1, len(array) // SAMPLE)]))
        for t in progress.steps(len(array), f"Reading {path.name}"):
            yield to_grey_levels(turned(array[t]), between)

    return Recording(path.name, decode, *_header_spacing(image.GetSpacing(), path.name))


def _header_spacing(spacing_mm: tuple[float, ...], name: str) -> tuple[Spacing | None, str]:
    x, y = spacing_mm[:2]
    if (x, y) == (1.0, 1.0):
        return None, f"{name} says 1 x 1 mm, as programs write that do not know how large the pixels are."
    return (float(y), float(x)), f"The header of {name} says how large its pixels are."
