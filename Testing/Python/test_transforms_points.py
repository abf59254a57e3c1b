"""Points carried from the TRUS to the MR and back."""

import numpy as np
import pytest
import SimpleITK as sitk

from MR2USProLib.errors import InputError
from MR2USProLib.registration import transforms
from MR2USProLib.volume import Grid, Volume
from oblique_pair import deformation, fixed_grid, initial, working_grid


def test_there_and_back_is_where_it_began():
    fixed = fixed_grid()
    joined = transforms.composite(initial(), deformation(working_grid(fixed)), fixed)
    index = np.random.default_rng(0).uniform([2, 2, 2], np.asarray(fixed.size) - 3, (60, 3))
    points = fixed.to_world(index)
    mapped = transforms.map_points(points, joined)
    assert np.linalg.norm(mapped - points, axis=1).min() > 1
    back = transforms.inverse_points(mapped, joined)
    np.testing.assert_allclose(back, points, atol=3e-3)
    np.testing.assert_allclose(transforms.map_points(back, joined), mapped, atol=1e-3)


def test_shapes_are_kept():
    shift = sitk.TranslationTransform(3, (1.0, 2.0, 3.0))
    assert transforms.map_points([1, 1, 1], shift).tolist() == [2, 3, 4]
    np.testing.assert_allclose(transforms.inverse_points(np.zeros((2, 4, 3)), shift), -np.ones((2, 4, 1)) * [1, 2, 3])
    assert transforms.map_points(np.zeros((0, 3)), shift).shape == (0, 3)


def test_a_point_without_counterpart_is_refused():
    """A field that moves a box by its own width leaves the place where the box was to nobody."""
    box = Grid((12, 12, 12))
    field = sitk.DisplacementFieldTransform(Volume(np.full((12, 12, 12, 3), [12.0, 0, 0]), box).to_sitk())
    with pytest.raises(InputError, match="no counterpart"):
        transforms.inverse_points([5.0, 5, 5], field)
