"""Volumes in space: an array, and the grid that says where each of its voxels lies.

Arrays are ordered (slice, row, column) = (k, j, i). Everything that has a length is in millimetres, and the world is
LPS (x to the patient's left, y to the back, z to the head), as in ITK and in the files. A displacement in voxels and
one in millimetres never meet outside :class:`Grid`, which is the only place that converts between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import nifti
from .errors import InputError
from .hush import hushed

if TYPE_CHECKING:
    import SimpleITK as sitk

Interpolation = Literal["linear", "nearest", "cubic"]
FloatArray = NDArray[np.floating]


@dataclass(frozen=True)
class Grid:
    """Where the voxels of a volume lie.

    Attributes:
        shape: voxels as (k, j, i), the shape of the array.
        spacing_mm: distance of neighbours along (i, j, k), positive.
        origin_mm: LPS position of the centre of voxel (0, 0, 0).
        direction: 3x3, its columns are the LPS unit vectors of i, j and k. May be left-handed.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        object.__setattr__(self, "spacing_mm", tuple(float(s) for s in self.spacing_mm))
        object.__setattr__(self, "origin_mm", tuple(float(x) for x in self.origin_mm))
        object.__setattr__(self, "direction", np.asarray(self.direction, dtype=np.float64).reshape(3, 3))
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ValueError(f"A grid has three sizes of at least one voxel, not {self.shape}.")
        if min(self.spacing_mm) <= 0:
            raise ValueError(f"Spacings are positive, not {self.spacing_mm}.")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grid):
            return NotImplemented
        return (
            self.shape == other.shape
            and np.allclose(self.spacing_mm, other.spacing_mm, rtol=1e-5)
            and np.allclose(self.origin_mm, other.origin_mm, atol=1e-3)
            and np.allclose(self.direction, other.direction, atol=1e-5)
        )

    __hash__ = None  # type: ignore[assignment]  # equality has a tolerance

    @property
    def size(self) -> tuple[int, int, int]:
        """Voxels as (i, j, k), the order of ``spacing_mm`` and of SimpleITK."""
        return self.shape[2], self.shape[1], self.shape[0]

    @property
    def index_to_mm(self) -> NDArray[np.float64]:
        """3x3 matrix that takes a difference of indices (i, j, k) to one in millimetres."""
        return self.direction * np.asarray(self.spacing_mm)

    @property
    def centre_mm(self) -> NDArray[np.float64]:
        """LPS position of the middle of the volume."""
        return self.to_world((np.asarray(self.size) - 1) / 2)

    @property
    def extent_mm(self) -> NDArray[np.float64]:
        """Edge lengths of the box that the voxels fill, along (i, j, k)."""
        return np.asarray(self.size) * np.asarray(self.spacing_mm)

    def to_world(self, index_ijk: ArrayLike) -> NDArray[np.float64]:
        """LPS positions (..., 3) in mm of continuous indices (..., 3) in the order (i, j, k)."""
        return np.asarray(index_ijk, dtype=np.float64) @ self.index_to_mm.T + np.asarray(self.origin_mm)

    def to_index(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """Continuous indices (..., 3) in the order (i, j, k) of LPS positions (..., 3) in mm."""
        offset = np.asarray(points_mm, dtype=np.float64) - np.asarray(self.origin_mm)
        return offset @ np.linalg.inv(self.index_to_mm).T

    def contains(self, points_mm: ArrayLike) -> NDArray[np.bool_]:
        """Which of the LPS positions (..., 3) lie inside the box that the voxels fill."""
        index = self.to_index(points_mm)
        return np.asarray(np.all((index >= -0.5) & (index <= np.asarray(self.size) - 0.5), axis=-1))

    def points(self) -> NDArray[np.float64]:
        """LPS position of every voxel, (k, j, i, 3)."""
        k, j, i = np.meshgrid(*(np.arange(n, dtype=np.float64) for n in self.shape), indexing="ij")
        return self.to_world(np.stack([i, j, k], axis=-1))

    def corners(self) -> NDArray[np.float64]:
        """LPS positions (8, 3) of the outer corners of the box that the voxels fill."""
        low, high = np.full(3, -0.5), np.asarray(self.size) - 0.5
        corners = [[(low, high)[c][0], (low, high)[b][1], (low, high)[a][2]]
                   for a in (0, 1) for b in (0, 1) for c in (0, 1)]  # fmt: skip
        return self.to_world(corners)

    def cropped_to(self, low_mm: ArrayLike, high_mm: ArrayLike) -> Grid:
        """The smallest part of this grid that holds the LPS box from ``low_mm`` to ``high_mm``.

        Raises:
            InputError: the box misses the grid, or a corner is no place.
        """
        low, high = np.minimum(low_mm, high_mm), np.maximum(low_mm, high_mm)
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise InputError("The corners of the region are not six numbers: give a box in mm (LPS).")
        box = np.array([[(low, high)[a][0], (low, high)[b][1], (low, high)[c][2]]
                        for a in (0, 1) for b in (0, 1) for c in (0, 1)])  # fmt: skip
        index = self.to_index(box)
        first = np.maximum(np.floor(index.min(axis=0) + 0.5 + 1e-6), 0).astype(int)
        last = np.minimum(np.ceil(index.max(axis=0) - 0.5 - 1e-6), np.asarray(self.size) - 1).astype(int)
        if np.any(last < first):
            raise InputError(
                f"The region from {np.round(low, 1).tolist()} to {np.round(high, 1).tolist()} mm (LPS) lies outside "
                f"the image, which spans {np.round(self.corners().min(axis=0), 1).tolist()} to "
                f"{np.round(self.corners().max(axis=0), 1).tolist()} mm: give a region inside it."
            )
        shape = (last - first + 1)[::-1]
        return Grid((shape[0], shape[1], shape[2]), self.spacing_mm, tuple(self.to_world(first)), self.direction)

    def resampled(self, spacing_mm: Sequence[float] | None = None, shape: Sequence[int] | None = None) -> Grid:
        """A grid over the same box (edge to edge) with another spacing (i, j, k) or another shape (k, j, i).

        With a spacing, the number of voxels is rounded and the box's centre kept.
        """
        if (spacing_mm is None) == (shape is None):
            raise ValueError("Give either a spacing or a shape.")
        if shape is not None:
            size = np.asarray(tuple(shape)[::-1])
            spacing = self.extent_mm / size
        else:
            spacing = np.asarray(spacing_mm, dtype=np.float64)
            size = np.maximum(np.round(self.extent_mm / spacing).astype(int), 1)
        origin = self.centre_mm - self.direction @ (spacing * (size - 1) / 2)
        return Grid((size[2], size[1], size[0]), tuple(spacing), tuple(origin), self.direction)

    def reoriented(self) -> Grid:
        """The same box and voxels with axes reordered and flipped so that i, j, k run nearest to x, y, z of LPS.

        However an image is stored, its axial slices end up along k, and a left-handed grid becomes a right-handed one.
        """
        from scipy.optimize import linear_sum_assignment

        _, axes = linear_sum_assignment(-np.abs(self.direction))
        signs = np.sign(self.direction[np.arange(3), axes])
        size = np.asarray(self.size)[axes]
        first = np.zeros(3)
        first[axes] = np.where(signs < 0, size - 1, 0)
        return Grid(
            (size[2], size[1], size[0]),
            tuple(np.asarray(self.spacing_mm)[axes]),
            tuple(self.to_world(first)),
            self.direction[:, axes] * signs,
        )

    def voxels_to_mm(self, displacement: FloatArray) -> NDArray[np.float64]:
        """LPS displacement in mm (..., 3) of one in voxels (..., 3), both in the order (i, j, k) / (x, y, z)."""
        return np.asarray(displacement) @ self.index_to_mm.T

    def mm_to_voxels(self, displacement: FloatArray) -> NDArray[np.float64]:
        """Displacement in voxels (..., 3) along (i, j, k) of one in LPS mm (..., 3)."""
        return np.asarray(displacement) @ np.linalg.inv(self.index_to_mm).T

    def to_sitk(self) -> sitk.Image:
        """An empty image on this grid, as SimpleITK wants a reference."""
        import SimpleITK as sitk

        image = sitk.Image([int(n) for n in self.size], sitk.sitkUInt8)
        self.place(image)
        return image

    def place(self, image: sitk.Image) -> None:
        """Write this grid's geometry into a SimpleITK image."""
        image.SetSpacing(self.spacing_mm)
        image.SetOrigin(self.origin_mm)
        image.SetDirection(self.direction.ravel().tolist())

    @staticmethod
    def of(image: sitk.Image) -> Grid:
        """The grid of a 3-D SimpleITK image."""
        size = image.GetSize()
        return Grid(
            (size[2], size[1], size[0]),
            image.GetSpacing(),
            image.GetOrigin(),
            np.asarray(image.GetDirection()).reshape(3, 3),
        )


@dataclass(frozen=True)
class Volume:
    """An image in space.

    Attributes:
        array: (k, j, i), or (k, j, i, components) for vectors such as a displacement in mm (x, y, z).
        grid: where its voxels lie.
    """

    array: NDArray[Any]
    grid: Grid

    def __post_init__(self) -> None:
        if self.array.shape[:3] != self.grid.shape or self.array.ndim not in (3, 4):
            raise ValueError(f"An array of shape {self.array.shape} does not fit a grid of shape {self.grid.shape}.")

    @staticmethod
    def read(path: str | Path) -> Volume:
        """Read a 3-D image (NRRD, MetaImage, NIfTI and whatever else ITK reads).

        Raises:
            InputError: no such file, not an image, or not three-dimensional.
        """
        import SimpleITK as sitk

        image = read_image(path)
        while image.GetDimension() > 3 and image.GetSize()[-1] == 1:  # one moment of what could have been many
            image = image[(slice(None),) * (image.GetDimension() - 1) + (0,)]
        if image.GetDimension() != 3 or min(image.GetSize()) < 2:
            raise InputError(
                f"{Path(path).name} has the size {'x'.join(map(str, image.GetSize()))}: a volume with at least two "
                "voxels along each of three axes is needed."
            )
        if image.GetPixelID() in (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64):
            raise InputError(f"{Path(path).name} holds complex numbers: save its magnitude and use that.")
        return Volume.of(image)

    @staticmethod
    def of(image: sitk.Image) -> Volume:
        """The volume of a 3-D SimpleITK image (its data is copied)."""
        import SimpleITK as sitk

        return Volume(sitk.GetArrayFromImage(image), Grid.of(image))

    def to_sitk(self) -> sitk.Image:
        """This volume as a SimpleITK image (its data is copied)."""
        import SimpleITK as sitk

        array = self.array.astype(np.uint8) if self.array.dtype == np.bool_ else self.array
        image = sitk.GetImageFromArray(np.ascontiguousarray(array), isVector=array.ndim == 4)
        self.grid.place(image)
        return image

    def write(self, path: str | Path) -> None:
        """Write the image, compressed, in the format of the file's suffix."""
        import SimpleITK as sitk

        with hushed():
            sitk.WriteImage(self.to_sitk(), str(path), useCompression=True)

    def resampled(
        self,
        grid: Grid,
        transform: sitk.Transform | None = None,
        interpolation: Interpolation = "linear",
        outside: float = 0.0,
    ) -> Volume:
        """This volume on another grid.

        Args:
            grid: where the result's voxels lie.
            transform: takes a point of ``grid`` to a point of this volume, LPS mm; identity where it is not given.
            interpolation: ``linear``, ``nearest`` (labels) or ``cubic``.
            outside: value of voxels that fall outside this volume.
        """
        import SimpleITK as sitk

        interpolator = {
            "linear": sitk.sitkLinear,
            "nearest": sitk.sitkNearestNeighbor,
            "cubic": sitk.sitkBSpline,
        }[interpolation]
        image = sitk.Resample(
            self.to_sitk(), grid.to_sitk(), transform or sitk.Transform(3, sitk.sitkIdentity), interpolator, outside
        )
        return Volume(sitk.GetArrayFromImage(image), grid)

    def at(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """Values (n,) at points (n, 3), LPS mm, linear between voxels; NaN outside the outermost voxels' centres."""
        from scipy.ndimage import map_coordinates

        index = self.grid.to_index(points_mm)[:, ::-1].T
        values = map_coordinates(self.array.astype(np.float64), index, order=1, mode="constant", cval=np.nan)
        return np.asarray(values, np.float64)

    def smoothed_for(self, grid: Grid) -> Volume:
        """This volume without the detail that ``grid`` is too coarse to carry (Gaussian, before resampling to it)."""
        import SimpleITK as sitk

        coarse = float(np.mean(grid.spacing_mm))
        sigmas = [0.45 * np.sqrt(max(coarse**2 - spacing**2, 0.0)) for spacing in self.grid.spacing_mm]
        if max(sigmas) == 0:
            return self
        image = sitk.DiscreteGaussian(
            sitk.Cast(self.to_sitk(), sitk.sitkFloat32), [sigma**2 for sigma in sigmas], maximumKernelWidth=64
        )
        return Volume(sitk.GetArrayFromImage(image), self.grid)

    def foreground(self) -> NDArray[np.bool_]:
        """Where the image shows something, (k, j, i): all but the constant that surrounds it, such as outside a fan.

        An image whose border is not of one value has no background; all of it is foreground.
        """
        from scipy import ndimage

        array = self.array
        background = array.min()
        edges = np.concatenate([array[[0, -1]].ravel(), array[:, [0, -1]].ravel(), array[:, :, [0, -1]].ravel()])
        if np.mean(edges == background) < 0.1:
            return np.ones(array.shape, dtype=bool)
        # Opening cuts the thread by which a black spot inside may hang on the outside.
        margin = 4
        outside = np.pad(array == background, margin, constant_values=True)
        labels, _ = ndimage.label(ndimage.binary_opening(outside, iterations=2))
        return labels[margin:-margin, margin:-margin, margin:-margin] != labels[2, 2, 2]


def read_image(path: str | Path) -> sitk.Image:
    """Read any image with SimpleITK.

    Raises:
        InputError: no such file, a folder, or not an image that ITK can read.
    """
    import SimpleITK as sitk

    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist: check the path.")
    if path.is_dir():
        raise InputError(
            f"{path} is a folder: give an image file, such as the NRRD that 3D Slicer saves of a DICOM series."
        )
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    broken = f"{path.name} could not be read as an image: give a complete NRRD, MetaImage or NIfTI file."
    try:
        with hushed():
            image = reader.Execute()
    except RuntimeError as error:
        raise InputError(broken) from error
    if path.name.lower().endswith(nifti.SUFFIXES) and nifti.breaks_off(path):
        raise InputError(broken)
    return image
