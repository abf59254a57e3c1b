"""The registration by self-similarity: what it finds, how sure it is of it, and when it holds still."""

import gc

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from scipy.ndimage import gaussian_filter

from MR2USProLib.errors import Cancelled
from MR2USProLib.progress import SILENT, Progress
from MR2USProLib.registration import comparison, smooth_flow
from MR2USProLib.registration.comparison import Comparison
from MR2USProLib.registration.deformation import compose, jacobian_determinant
from MR2USProLib.registration.mind import self_similarity
from MR2USProLib.registration.pair import Images
from MR2USProLib.registration.self_similarity import (
    LEAST_AGREEMENT,
    MOST_DISAGREEMENT_MM,
    _distance_mm,
    _halves,
    register_by_self_similarity,
)
from MR2USProLib.registration.smooth_flow import POWERS, SmoothFlow
from registration_pair import pulled

SHAPE, SPACING_MM = (20, 30, 30), (1.5, 1.5, 2.0)
SIZE_MM = np.array([43.5, 43.5, 38.0])
INNER = np.s_[4:-4, 6:-6, 6:-6]


def tissue(seed=0, shape=SHAPE, spacing_mm=SPACING_MM):
    """Patches some 4 mm wide that are dark or bright, with a rim between them."""
    noise = np.random.default_rng(seed).standard_normal(shape)
    blobs = gaussian_filter(noise, np.array([3.5, 3.5, 3.5]) / spacing_mm[::-1], mode="wrap")
    return np.tanh(3 * blobs / blobs.std()).astype(np.float32)


def turned(degrees=(2.0, -4.0, 6.0), shift_mm=(2.0, -1.5, 1.0)):
    """A rotation about the middle and a shift, and a bend, as a field in voxels along (i, j, k)."""
    k, j, i = np.meshgrid(*(np.linspace(-0.5, 0.5, n) for n in SHAPE), indexing="ij")
    points = np.stack([i, j, k], axis=-1) * SIZE_MM
    x, y, z = np.deg2rad(degrees)
    matrix = expm(np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]))
    bend = 1.5 * np.sin(np.pi * i)[..., None] * np.array([0.0, 1.0, 0.5])
    return ((points @ matrix.T - points + shift_mm + bend) / SPACING_MM).astype(np.float32)


def echo(picture, seed=1):
    """The same tissue in another modality: dark for bright, unevenly lit, with noise."""
    k = np.linspace(0.6, 1.4, picture.shape[1])[None, :, None]
    noise = np.random.default_rng(seed).standard_normal(picture.shape)
    return (50 - 20 * k * picture + 3 * noise).astype(np.float32)


def pair(truth, seed=0):
    moving = tissue(seed)
    return Images(moving, echo(pulled(moving, truth)), np.ones(SHAPE, bool), SPACING_MM)


def assert_not_followed(found):
    assert not found.structure.followed
    assert not found.displacement.any()
    assert not found.inverse.any()
    assert found.uncertainty_mm is None


def torn(apart_mm, shape=SHAPE, spacing_mm=SPACING_MM):
    """A pair of which the white blocks of a chessboard moved one way, and the black ones as far the other way."""
    moving = tissue(shape=shape, spacing_mm=spacing_mm)
    one, other = (
        pulled(moving, np.broadcast_to(sign * np.array(apart_mm) / 2 / spacing_mm, (*shape, 3))) for sign in (1, -1)
    )
    steps = np.array(spacing_mm[::-1]).reshape(3, 1, 1, 1)
    white = (np.indices(shape) * steps // 10).sum(axis=0) % 2 == 1
    return Images(moving, echo(np.where(white, one, other)), np.ones(shape, bool), spacing_mm)


def off_mm(found, truth):
    return np.linalg.norm((found - truth) * SPACING_MM, axis=-1)[INNER].mean()


@pytest.fixture(scope="module")
def followed():
    truth = turned()
    return truth, register_by_self_similarity(pair(truth))


def test_contrast_and_brightness_do_not_matter():
    picture = tissue()
    one, other = (self_similarity(x, SPACING_MM, patch_mm=1.0, reach_mm=2.0) for x in (picture, (70 - 30 * picture)))
    assert one.shape == (1, 12, *SHAPE)
    assert float(one.std()) > 0.1
    torch.testing.assert_close(one, other, atol=1e-3, rtol=0)


def test_a_linear_velocity_becomes_its_matrix_exponential():
    flow = SmoothFlow(SHAPE, SPACING_MM)
    slope = np.array([[0.05, -0.1, 0.0], [0.1, -0.05, 0.08], [0.0, -0.08, 0.02]])  # per mm
    parameters = np.zeros((3, POWERS))
    parameters[:, 1:4] = 25.0 * slope
    k, j, i = np.meshgrid(*(np.linspace(-0.5, 0.5, n) for n in SHAPE), indexing="ij")
    points = np.stack([i, j, k], axis=-1) * SIZE_MM
    expected = points @ expm(slope).T - points
    found = flow.displacement(parameters)[0].permute(1, 2, 3, 0).numpy() * SPACING_MM
    np.testing.assert_allclose(found[INNER], expected[INNER], atol=0.05)


def test_forces_and_products_are_those_of_the_velocity():
    flow, rng = SmoothFlow((7, 9, 8), (2.0, 2.5, 3.0)), np.random.default_rng(0)
    count = POWERS + flow.knots
    one, other = rng.standard_normal((2, 3, count))
    force = rng.standard_normal((3, *flow.shape))
    fields = [np.moveaxis(flow.velocity_mm(x), -1, 0) for x in (one, other)]
    assert (flow.gathered(force, count) * one).sum() == pytest.approx((force * fields[0]).sum())
    weight = rng.random(flow.shape)
    spreads = [sum(np.gradient(x[n], step, axis=2 - n) for n, step in enumerate(flow.spacing_mm)) for x in fields]
    for every, parameters in ((1, count), (2, count), (2, POWERS)):
        some = (slice(None, None, every),) * 3
        products = flow.divergences(weight, every, parameters)
        if parameters == count:
            expected = (weight * spreads[0] * spreads[1])[some].sum()
            assert np.einsum("am,ambn,bn", one, products, other) == pytest.approx(expected)
        else:
            whole = flow.divergences(weight, every, count)[:, :POWERS, :, :POWERS]
            np.testing.assert_allclose(products, whole)


def test_products_are_those_of_a_velocity_with_sharp_hats(monkeypatch):
    monkeypatch.setattr(smooth_flow, "ROUND_MM", 1e-3)
    flow, rng = SmoothFlow((7, 9, 8), (2.0, 2.5, 3.0)), np.random.default_rng(0)
    count = POWERS + flow.knots
    one, other = rng.standard_normal((2, 3, count))
    root = rng.standard_normal((3, 3, *flow.shape))
    weights = root + root.swapaxes(0, 1)
    fields = [np.moveaxis(flow.velocity_mm(x), -1, 0) for x in (one, other)]
    expected = np.einsum("akji,abkji,bkji", fields[0], weights, fields[1])
    assert np.einsum("am,ambn,bn", one, flow.products(weights, count), other) == pytest.approx(expected)


def test_a_step_is_solved_block_by_block_and_can_be_stopped_at_each(monkeypatch):
    monkeypatch.setattr(comparison, "BLOCK", 7)
    rng = np.random.default_rng(0)
    root = rng.standard_normal((30, 30))
    at = comparison.Fitted(np.zeros((3, 10)), 0.0, root @ root.T, rng.standard_normal(30))
    damping, told = rng.random(30), []
    found = comparison._step(at, damping, lambda: told.append(1))
    np.testing.assert_allclose(found, np.linalg.solve(at.curvature + np.diag(damping), at.slope))
    np.testing.assert_array_equal(at.curvature, root @ root.T)
    assert len(told) >= 2 * (30 // 7)


def test_a_turn_and_a_bend_are_found_across_modalities(followed):
    truth, found = followed
    assert off_mm(0.0, truth) > 3
    assert found.structure.followed
    assert found.structure.agreement > 0.5
    assert found.structure.disagreement_mm < 1
    assert off_mm(found.displacement, truth) < 0.5
    assert found.uncertainty_mm.shape == SHAPE
    assert 1 <= found.uncertainty_mm.min() < found.uncertainty_mm[INNER].mean() < 3
    for losses in (found.history["coarse structure"], found.history["fine structure"]):
        assert len(losses) > 1
        assert losses == sorted(losses, reverse=True)


def test_it_does_not_fold_and_is_inverted(followed):
    there, back = (
        torch.from_numpy(u).permute(3, 0, 1, 2)[None] for u in (followed[1].displacement, followed[1].inverse)
    )
    assert jacobian_determinant(there).min() > 0
    left = compose(there, back)[0].permute(1, 2, 3, 0).numpy() * SPACING_MM
    assert np.linalg.norm(left, axis=-1)[INNER].max() < 0.1


def test_a_start_that_is_far_off_is_found_by_the_first_look():
    truth = turned(shift_mm=(8.0, -5.0, 4.0))
    found = register_by_self_similarity(pair(truth))
    assert off_mm(0.0, truth) > 8
    assert found.structure.followed
    assert off_mm(found.displacement, truth) < 1


def test_pictures_with_other_structure_are_not_moved():
    told = []
    progress = Progress(lambda stage, done, message: told.append(done))
    images = Images(tissue(3), echo(tissue(13)), np.ones(SHAPE, bool), SPACING_MM)
    found = register_by_self_similarity(images, progress=progress)
    assert told[-1] == 1
    assert_not_followed(found)


def test_halves_are_the_two_colours_of_a_chessboard_in_mm():
    flow = SmoothFlow((25, 31, 41), (1.0, 2.0, 2.5))
    white, black = (half[0, 0].numpy() for half in _halves(flow))
    np.testing.assert_array_equal(white + black, np.ones(flow.shape))
    np.testing.assert_array_equal(white * black, np.zeros(flow.shape))
    assert white.mean() == pytest.approx(0.5, abs=0.05)
    for axis, block in enumerate((4, 5, 10)):  # voxels that are 10 mm
        here, there = (np.take(white, range(*ends), axis) for ends in ((0, block), (block, 2 * block)))
        np.testing.assert_array_equal(here, 1 - there)


def test_halves_that_moved_apart_are_not_followed_although_the_pictures_agree():
    found = register_by_self_similarity(torn((4.0, 4.0, 4.0)))
    assert found.structure.agreement > LEAST_AGREEMENT
    assert found.structure.disagreement_mm > MOST_DISAGREEMENT_MM
    assert_not_followed(found)


def test_pictures_that_hardly_agree_are_not_followed_although_their_halves_do():
    """Under much noise the coarse structure is still the same; what the fine one shows is the noise."""
    images, (one, other) = pair(turned()), np.random.default_rng(5).standard_normal((2, *SHAPE))
    noisy = [(images.moving + one).astype(np.float32), (images.fixed + 20 * other).astype(np.float32)]
    found = register_by_self_similarity(Images(*noisy, images.valid, SPACING_MM))
    assert 0 < found.structure.agreement < LEAST_AGREEMENT
    assert found.structure.disagreement_mm < MOST_DISAGREEMENT_MM
    assert_not_followed(found)


def test_motions_are_apart_by_mm_along_every_axis():
    flow = SmoothFlow((7, 9, 8), (1.0, 2.0, 3.5))
    one, other = np.zeros((2, 3, POWERS))
    one[:, 0], other[:, 0] = (3.0, -2.0, 1.0), (1.0, 1.0, -5.0)
    np.testing.assert_allclose(_distance_mm(flow, one, other), np.full(flow.shape, 7.0), rtol=1e-5)


def test_the_expected_error_is_larger_where_the_halves_disagree_more():
    images = torn((2.0, 2.0, 2.0), (14, 18, 20), (2.0, 2.5, 3.0))  # compared voxel by voxel: it is coarse enough
    found = register_by_self_similarity(images)
    assert found.structure.followed
    assert found.structure.disagreement_mm > 0.3
    apart_mm = np.sqrt(np.square(found.uncertainty_mm, dtype=np.float64) - 1) / 2.3
    assert apart_mm[3:-3, 4:-4, 5:-5].mean() == pytest.approx(found.structure.disagreement_mm, rel=1e-3)
    assert np.ptp(apart_mm) > found.structure.disagreement_mm


def test_what_is_not_valid_does_not_matter():
    images = pair(turned())
    valid = np.ones(SHAPE, bool)
    valid[:, :8] = False
    rubbish = np.where(valid, images.fixed, 500.0).astype(np.float32)
    one, other = (
        register_by_self_similarity(Images(images.moving, fixed, valid, SPACING_MM))
        for fixed in (images.fixed, rubbish)
    )
    np.testing.assert_array_equal(one.displacement, other.displacement)


def test_incompressible_tissue_keeps_its_volume():
    stretched = turned((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    k, j, i = np.meshgrid(*(np.linspace(-0.5, 0.5, n) for n in SHAPE), indexing="ij")
    stretched += (0.12 * np.stack([i, j, k], axis=-1) * SIZE_MM / SPACING_MM).astype(np.float32)
    changes = []
    for held in (False, True):
        found = register_by_self_similarity(pair(stretched), incompressible=held)
        field = torch.from_numpy(found.displacement).permute(3, 0, 1, 2)[None]
        changes.append(float(jacobian_determinant(field)[0][INNER].log().abs().mean()))
    assert found.structure.followed
    assert changes[1] < 0.5 * changes[0]


def test_it_can_be_cancelled():
    seen = []
    progress = Progress(lambda stage, fraction, message: seen.append(fraction), lambda: len(seen) >= 4)
    with pytest.raises(Cancelled):
        register_by_self_similarity(pair(turned()), progress=progress)
    assert len(seen) <= 5


def test_nothing_of_a_pair_is_kept_when_it_is_registered():
    """A cohort of a hundred would fill the memory."""
    register_by_self_similarity(pair(turned()))
    gc.collect()
    assert not [kept for kept in gc.get_objects() if type(kept) is Comparison]


def test_a_half_of_the_region_that_shows_nothing_speaks_for_no_motion():
    flow = SmoothFlow(SHAPE, SPACING_MM)
    pictures = tuple(self_similarity(tissue(n), SPACING_MM, patch_mm=1.0, reach_mm=2.0) for n in (0, 1))
    comparison = Comparison(flow, pictures, torch.zeros(1, 1, *SHAPE), 0.5)
    found = comparison.minimised(np.ones((3, POWERS)), 6, SILENT, "")
    assert found.loss < 1e-6
    assert abs(found.parameters).max() < 0.1


@pytest.mark.parametrize(("edge_mm", "apart_mm"), [(80.0, 8.0), (200.0, 20.0)])
def test_the_knots_of_a_large_region_lie_further_apart(edge_mm, apart_mm):
    """A step solves for three numbers at each knot: 8 mm apart in a whole abdomen they would take hours."""
    flow = SmoothFlow((41, 41, 41), 3 * [edge_mm / 40])
    assert flow.knots <= smooth_flow.MOST_KNOTS
    assert edge_mm / (np.cbrt(flow.knots) - 1) == pytest.approx(apart_mm, rel=1e-6)
