"""Equation 20, folding and landmark errors on fields whose answers are known."""

import numpy as np
import pytest

from MR2USProLib.evaluation import metrics
from MR2USProLib.evaluation.metrics import (
    displacement_statistics,
    folding,
    harmonic_energy,
    target_registration_error_mm,
)
from MR2USProLib.volume import Grid, Volume

OBLIQUE = np.linalg.qr(np.array([[1.0, 0.3, -0.2], [-0.2, 1.0, 0.4], [0.1, -0.3, 1.0]]))[0]


def field(grid, function):
    """The displacement ``function`` (of x, y, z in mm) on a grid."""
    x, y, z = np.moveaxis(grid.points(), -1, 0)
    parts = [np.broadcast_to(part, grid.shape) for part in function(x, y, z)]
    return Volume(np.stack(parts, axis=-1).astype(float), grid)


def test_laplacian_of_a_square_is_two():
    # u_x = x^2 on 1 mm voxels: Laplacian 2 everywhere; 4*5*6 interior voxels times 2^2
    energy = harmonic_energy(field(Grid((6, 7, 8)), lambda x, y, z: (x**2, 0, 0)))
    assert energy.voxel_sum == pytest.approx(4 * 120)
    assert energy.voxel_mean == pytest.approx(4.0)
    assert energy.mm == pytest.approx(480.0)


def test_all_components_and_all_axes_count():
    # Laplacians 2, 2+2 and 2*(1+4+9)=28: sum of squares 4 + 16 + 784 per voxel
    energy = harmonic_energy(field(Grid((5, 5, 5)), lambda x, y, z: (y**2, x**2 + z**2, x**2 + 4 * y**2 + 9 * z**2)))
    assert energy.voxel_mean == pytest.approx(804)
    assert energy.voxel_sum == pytest.approx(27 * 804)


def test_anisotropic_voxels():
    # spacing 0.5, 1, 2 mm along i, j, k; u_z = z^2 mm. In mm the Laplacian is 2. In voxels u_k = (2k)^2 / 2 = 2 k^2,
    # whose second difference is 4.
    grid = Grid((5, 6, 7), (0.5, 1.0, 2.0), (3.0, -4.0, 5.0))
    energy = harmonic_energy(field(grid, lambda x, y, z: (0, 0, z**2)))
    interior = 3 * 4 * 5
    assert energy.voxel_mean == pytest.approx(16.0)
    assert energy.mm == pytest.approx(4.0 * interior * 1.0)  # 0.5 * 1 * 2 = 1 mm^3 a voxel


def test_energy_in_mm_does_not_depend_on_direction():
    def bump(x, y, z):
        return (np.sin(x / 4), np.cos(y / 5), x * y / 20 + z**2 / 30)

    straight = Grid((6, 6, 6), (1.0, 1.0, 1.0))
    turned = Grid((6, 6, 6), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), np.diag([1.0, -1.0, -1.0]))
    u = field(straight, bump)
    # the same field, its world turned by half a turn about x
    v = Volume(u.array @ np.diag([1.0, -1.0, -1.0]), turned)
    assert harmonic_energy(v).mm == pytest.approx(harmonic_energy(u).mm)
    assert harmonic_energy(v).voxel_sum == pytest.approx(harmonic_energy(u).voxel_sum)


def test_resolution_doubles_the_voxel_sum_and_leaves_the_mm():
    coarse = Grid((14, 14, 14), (2.0, 2.0, 2.0))
    fine = Grid((28, 28, 28), (1.0, 1.0, 1.0))
    # a constant Laplacian makes the energy per volume exact on any grid
    low, high = (harmonic_energy(field(g, lambda x, y, z: (x**2, 0, 0))) for g in (coarse, fine))
    assert high.voxel_mean * 8 == pytest.approx(low.voxel_mean * 2)
    assert low.mm / (12**3 * 8) == pytest.approx(high.mm / 26**3)


@pytest.mark.parametrize("direction", [np.eye(3), np.diag([1.0, -1.0, -1.0]), OBLIQUE])
def test_harmonic_and_affine_fields_have_no_energy(direction):
    grid = Grid((6, 7, 8), (0.7, 0.7, 0.7), (1.0, 2.0, 3.0), direction)
    for function in (
        lambda x, y, z: (x**2 - y**2, y * z, x * z),  # harmonic
        lambda x, y, z: (5 + 0.2 * x - 0.1 * y, 0.3 * z, -7 + 0.4 * x),  # affine
    ):
        energy = harmonic_energy(field(grid, function))
        assert energy.voxel_sum == pytest.approx(0, abs=1e-16)
        assert energy.mm == pytest.approx(0, abs=1e-16)


def test_fields_that_are_too_small_or_no_displacement_are_refused():
    with pytest.raises(ValueError, match="3 voxels"):
        harmonic_energy(Volume(np.zeros((2, 5, 5, 3)), Grid((2, 5, 5))))
    for measure in (harmonic_energy, folding, displacement_statistics):
        with pytest.raises(ValueError, match="displacement"):
            measure(Volume(np.zeros((5, 5, 5)), Grid((5, 5, 5))))


@pytest.mark.parametrize("direction", [np.eye(3), np.diag([-1.0, 1.0, 1.0]), OBLIQUE])
def test_linear_fields_have_their_determinant(direction):
    grid = Grid((5, 6, 7), (0.5, 1.0, 2.0), (1.0, 2.0, 3.0), direction)
    # x stretched by 1.2, y by 0.5, z sheared: determinant 0.6 everywhere
    result = folding(field(grid, lambda x, y, z: (0.2 * x, -0.5 * y, 0.7 * x)))
    assert result.fraction == 0.0
    assert result.least_determinant == pytest.approx(0.6)
    assert result.sd_log_determinant == pytest.approx(0.0, abs=1e-6)


def test_reflection_folds_everywhere():
    result = folding(field(Grid((4, 5, 6)), lambda x, y, z: (-2 * x, 0, 0)))
    assert result.fraction == 1.0
    assert result.as_dict() == {"fraction": 1.0, "least_determinant": -1.0, "sd_log_determinant": None}


def test_standard_deviation_of_the_log_determinant():
    # steps along x of 1.5 mm and 0.5 mm in turn: log determinants log 1.5 and log 0.5, as often as each other
    grid = Grid((3, 3, 9))
    positions = np.concatenate([[0.0], np.cumsum(np.tile([1.5, 0.5], 4))])
    u = np.zeros((*grid.shape, 3))
    u[..., 0] = positions - np.arange(9)
    result = folding(Volume(u, grid))
    assert result.fraction == 0.0
    assert result.least_determinant == pytest.approx(0.5)
    assert result.sd_log_determinant == pytest.approx((np.log(1.5) - np.log(0.5)) / 2)


def test_a_fold_of_one_voxel_is_seen():
    # one voxel jumps past its neighbour; its own central difference would be that of its neighbours, 0
    grid = Grid((5, 5, 9))
    u = np.zeros((*grid.shape, 3))
    u[:, :, 4, 0] = 1.5
    result = folding(Volume(u, grid))
    assert result.least_determinant == pytest.approx(-0.5)
    assert result.fraction == pytest.approx(2 / 9)  # the voxel, and the neighbour that it passed


def test_displacement_statistics():
    grid = Grid((2, 5, 10))
    u = np.zeros((*grid.shape, 3))
    u[..., 0], u[..., 1] = 3.0, 4.0
    u[0, 0, 0] = (0.0, 0.0, 12.0)
    everywhere = displacement_statistics(Volume(u, grid))
    assert everywhere["mean_mm"] == pytest.approx((99 * 5 + 12) / 100)
    assert everywhere["p95_mm"] == pytest.approx(5.0)
    assert everywhere["max_mm"] == 12.0
    mask = np.ones(grid.shape, dtype=np.uint8)
    mask[0, 0, 0] = 0
    assert displacement_statistics(Volume(u, grid), Volume(mask, grid))["max_mm"] == 5.0
    with pytest.raises(ValueError, match="empty mask"):
        displacement_statistics(Volume(u, grid), Volume(0 * mask, grid))
    with pytest.raises(ValueError, match="different grids"):
        displacement_statistics(Volume(u, grid), Volume(mask, Grid((2, 5, 10), (2.0, 1.0, 1.0))))


def test_target_registration_error_maps_fixed_to_moving():
    fixed = np.array([[0.0, 0.0, 0.0], [10.0, 5.0, -3.0], [1.0, 2.0, 3.0]])
    shift = np.array([3.0, 4.0, 0.0])
    moving = fixed + shift
    assert target_registration_error_mm(fixed, moving, lambda p: p + shift) == pytest.approx([0, 0, 0])
    assert target_registration_error_mm(fixed, moving, lambda p: p) == pytest.approx([5, 5, 5])
    # the inverse is no registration: it doubles the error
    assert target_registration_error_mm(fixed, moving, lambda p: p - shift) == pytest.approx([10, 10, 10])


def test_missing_landmarks_have_no_error():
    fixed = np.array([[0.0, 0.0, 0.0], [np.nan] * 3, [1.0, 0.0, 0.0]])
    moving = np.array([[0.0, 0.0, 2.0], [1.0, 1.0, 1.0], [np.nan] * 3])
    errors = target_registration_error_mm(fixed, moving, lambda p: p)
    assert errors[0] == 2.0
    assert np.isnan(errors[1:]).all()
    assert target_registration_error_mm(np.empty((0, 3)), np.empty((0, 3)), lambda p: p).shape == (0,)
    with pytest.raises(ValueError, match="do not pair"):
        target_registration_error_mm(fixed, moving[:2], lambda p: p)


def test_a_field_of_no_numbers_is_not_said_to_be_free_of_folds():
    whole = field(Grid((6, 7, 8)), lambda x, y, z: (0 * x, 0, 0))
    whole.array[2:] = np.nan
    found = folding(whole)
    assert 0.6 < found.fraction < 1
    assert found.as_dict()["least_determinant"] is None


def test_figures_do_not_depend_on_how_many_slices_are_looked_at_at_once(monkeypatch):
    rng = np.random.default_rng(0)
    grid = Grid((9, 6, 7), (0.5, 0.8, 1.5), (1.0, 2.0, 3.0), OBLIQUE)
    u = Volume(rng.normal(scale=0.25, size=(*grid.shape, 3)), grid)
    found = []
    for at_once in (1, 2 * 6 * 7, 10**6):
        monkeypatch.setattr(metrics, "AT_ONCE", at_once)
        found.append({**folding(u).as_dict(), **harmonic_energy(u).as_dict()})
    assert 0 < found[0]["fraction"] < 1
    assert found[0] == pytest.approx(found[2])
    assert found[1] == pytest.approx(found[2])
