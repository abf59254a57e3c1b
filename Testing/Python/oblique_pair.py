"""An oblique, anisotropic MR, an oblique TRUS grid, and a smooth deformation between them, all known."""

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter

from MR2USProLib.volume import Grid, Volume


def rotation(x, y, z):
    """Rotation matrix from angles in radians."""
    euler = sitk.Euler3DTransform()
    euler.SetRotation(x, y, z)
    return np.array(euler.GetMatrix()).reshape(3, 3)


def fixed_grid():
    """54 x 48 x 48 mm of TRUS, turned, with axes as a reconstructed volume has them."""
    return Grid((44, 60, 60), (0.9, 0.8, 1.1), (-20, 10, -15), rotation(0.1, -0.2, 0.3) @ np.diag([1, -1, -1]))


def working_grid(fixed):
    """A part of it that stays away from its border."""
    return Grid((24, 26, 28), (1.2, 1.2, 1.4), tuple(fixed.to_world([10, 12, 8])), fixed.direction)


def initial():
    """A rigid pose: turned by some ten degrees and shifted by some millimetres."""
    euler = sitk.Euler3DTransform()
    euler.SetCenter(fixed_grid().centre_mm.tolist())
    euler.SetRotation(0.2, -0.1, 0.15)
    euler.SetTranslation((7.0, -4.0, 3.0))
    return euler


def deformation(grid, largest_mm=4.0, seed=0):
    """A smooth displacement field in mm that does not end at the grid's border."""
    random = np.random.default_rng(seed)
    field = np.stack([gaussian_filter(random.standard_normal(grid.shape), 4) for _ in range(3)], axis=-1)
    return Volume((field * largest_mm / np.linalg.norm(field, axis=-1).max()).astype(np.float32), grid)


def mr_around(centre_mm):
    """An oblique MR with 0.7 x 0.7 x 2.5 mm voxels: a dark gland with a sharp bright rim, and texture."""
    direction = rotation(-0.3, 0.25, 0.4)
    grid = Grid((40, 130, 120), (0.7, 0.7, 2.5), direction=direction)
    grid = Grid(grid.shape, grid.spacing_mm, tuple(np.asarray(centre_mm) - grid.centre_mm), direction)
    return Volume(mr_values(grid.points(), np.asarray(centre_mm)), grid)


def mr_values(points_mm, centre_mm):
    """The MR's brightness at points (..., 3) of its world, in [0, 1000]."""
    x, y, z = np.moveaxis(points_mm - centre_mm, -1, 0)
    radius = np.sqrt((x / 22) ** 2 + (y / 16) ** 2 + (z / 18) ** 2)
    texture = 60 * np.sin(x / 3) * np.cos(y / 4 + z / 5)
    return np.where(radius < 0.9, 250, np.where(radius < 1, 900, 550)) + texture


def mirrored_slices(volume):
    """The same anatomy with its slices stored in the other order, so that its axes change hands."""
    grid = volume.grid
    first = grid.to_world([0, 0, grid.shape[0] - 1])
    direction = grid.direction @ np.diag([1, 1, -1])
    return Volume(volume.array[::-1].copy(), Grid(grid.shape, grid.spacing_mm, tuple(first), direction))
