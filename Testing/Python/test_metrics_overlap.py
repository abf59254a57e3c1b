"""Overlap and surface distances against figures worked out by hand."""

import numpy as np
import pytest

from MR2USProLib.evaluation.metrics import average_surface_distance_mm, dice, hausdorff95_mm, iou
from MR2USProLib.volume import Grid, Volume


def box(first, last, shape=(12, 14, 16), spacing_mm=(1.0, 1.0, 1.0), **where):
    """A box of voxels from ``first`` up to but without ``last``, both (k, j, i)."""
    array = np.zeros(shape, dtype=bool)
    array[tuple(slice(a, b) for a, b in zip(first, last, strict=True))] = True
    return Volume(array, Grid(shape, spacing_mm, **where))


def sphere(radius_mm, centre_mm=(0.0, 0.0, 0.0), spacing_mm=(1.0, 1.0, 1.0), half_mm=16.0):
    size = [int(2 * half_mm / s) + 1 for s in spacing_mm]
    origin_mm = tuple(-s * (n - 1) / 2 for s, n in zip(spacing_mm, size, strict=True))
    grid = Grid((size[2], size[1], size[0]), spacing_mm, origin_mm)
    return Volume(np.linalg.norm(grid.points() - centre_mm, axis=-1) <= radius_mm, grid)


def test_half_shifted_box_has_dice_half():
    # 4x4x4 = 64 voxels each, 2x4x4 = 32 shared: Dice 2*32/128, IoU 32/96
    one, other = box((2, 2, 2), (6, 6, 6)), box((4, 2, 2), (8, 6, 6))
    assert dice(one, other) == pytest.approx(0.5)
    assert iou(one, other) == pytest.approx(1 / 3)


def test_iou_is_intersection_over_union_for_unequal_boxes():
    # 27 voxels within 64: Dice 54/91, IoU 27/64
    one, other = box((2, 2, 2), (5, 5, 5)), box((2, 2, 2), (6, 6, 6))
    assert dice(one, other) == pytest.approx(54 / 91)
    assert iou(one, other) == pytest.approx(27 / 64)
    assert iou(other, one) == pytest.approx(27 / 64)


@pytest.mark.parametrize(("axis", "step_mm"), [(0, 3.0), (1, 2.0), (2, 0.5)])
def test_single_voxels_are_their_distance_apart_in_mm(axis, step_mm):
    spacing_mm = (0.5, 2.0, 3.0)  # along i, j, k
    first, second = [5, 5, 5], [5, 5, 5]
    second[axis] += 4
    one = box(first, [n + 1 for n in first], spacing_mm=spacing_mm)
    other = box(second, [n + 1 for n in second], spacing_mm=spacing_mm)
    assert average_surface_distance_mm(one, other) == pytest.approx(4 * step_mm)
    assert hausdorff95_mm(one, other) == pytest.approx(4 * step_mm)
    assert dice(one, other) == 0.0


def test_surface_distance_of_a_plate_and_its_shifted_copy():
    # two plates of one slice, three slices of 2.5 mm apart: every surface voxel is 7.5 mm from the other plate
    one = box((2, 3, 3), (3, 9, 9), spacing_mm=(0.7, 0.9, 2.5))
    other = box((5, 3, 3), (6, 9, 9), spacing_mm=(0.7, 0.9, 2.5))
    assert average_surface_distance_mm(one, other) == pytest.approx(7.5)


def test_average_surface_distance_counts_both_directions():
    # one voxel against a row of three along i (1 mm): from the voxel 0; from the row 1, 0, 1; mean of four = 1/2
    one, other = box((5, 5, 5), (6, 6, 6)), box((5, 5, 4), (6, 6, 7))
    assert average_surface_distance_mm(one, other) == pytest.approx(0.5)
    assert average_surface_distance_mm(other, one) == pytest.approx(0.5)


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (0.5, 1.0, 2.0)])
def test_concentric_spheres_differ_by_their_radii(spacing_mm):
    one, other = sphere(8, spacing_mm=spacing_mm), sphere(12, spacing_mm=spacing_mm)
    assert average_surface_distance_mm(one, other) == pytest.approx(4.0, abs=0.35)
    assert hausdorff95_mm(one, other) == pytest.approx(4.0, abs=0.8)
    assert dice(one, other) == pytest.approx(2 * 8**3 / (8**3 + 12**3), abs=0.02)


def test_hausdorff95_is_the_larger_direction():
    # a long row against its first voxel: from the voxel 0, from the row 0..10, whose 95th percentile is 9.5
    one, other = box((5, 5, 2), (6, 6, 3)), box((5, 5, 2), (6, 6, 13))
    assert hausdorff95_mm(one, other) == pytest.approx(9.5)
    assert hausdorff95_mm(other, one) == pytest.approx(9.5)


def test_mask_at_the_border_of_the_image_keeps_its_surface():
    # the same box in the corner and one voxel inside: all distances are finite and at most the diagonal
    one, other = box((0, 0, 0), (4, 4, 4)), box((1, 1, 1), (5, 5, 5))
    assert 0 < average_surface_distance_mm(one, other) < np.sqrt(3)


def test_equal_masks_are_perfect():
    mask = sphere(9)
    assert (dice(mask, mask), iou(mask, mask)) == (1.0, 1.0)
    assert average_surface_distance_mm(mask, mask) == hausdorff95_mm(mask, mask) == 0.0


def test_empty_masks():
    nothing, something = box((0, 0, 0), (0, 0, 0)), box((2, 2, 2), (6, 6, 6))
    for one, other in ((nothing, something), (something, nothing)):
        assert dice(one, other) == iou(one, other) == 0.0
        assert np.isnan(average_surface_distance_mm(one, other))
        assert np.isnan(hausdorff95_mm(one, other))
    for measure in (dice, iou, average_surface_distance_mm, hausdorff95_mm):
        assert np.isnan(measure(nothing, nothing))


def test_masks_on_different_grids_are_refused():
    one = box((2, 2, 2), (6, 6, 6))
    for measure in (dice, iou, average_surface_distance_mm, hausdorff95_mm):
        with pytest.raises(ValueError, match="different grids"):
            measure(one, box((2, 2, 2), (6, 6, 6), origin_mm=(1.0, 0.0, 0.0)))
