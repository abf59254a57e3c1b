"""The network fitted to one pair: what it finds, what it must not find, and that it finds the same again."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from MR2USProLib.errors import Cancelled, InputError
from MR2USProLib.progress import SILENT, Progress
from MR2USProLib.registration import transforms
from MR2USProLib.registration.anatomy_aware import AnatomyAware, AnatomyAwareSettings
from MR2USProLib.registration.deformation import compose, jacobian_determinant
from MR2USProLib.registration.pair import Images
from MR2USProLib.volume import Grid, Volume
from oblique_pair import rotation
from registration_pair import fit as fit_method

SHAPE = (16, 32, 32)
SPACING_MM = (1.2, 1.2, 1.6)
SETTINGS = AnatomyAwareSettings(iterations=40, learning_rate=3e-3, channels=(8, 16, 16))
INNER = np.s_[3:-3, 5:-5, 5:-5]


def picture(seed=0, shape=SHAPE):
    """A dark gland with a bright rim and two textures, in [-1, 1]."""
    random = np.random.default_rng(seed)
    k, j, i = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    radius = np.sqrt((i / 0.6) ** 2 + (j / 0.5) ** 2 + (k / 0.6) ** 2)
    image = np.where(radius < 1, -0.5, 0.1) + 0.6 * np.exp(-(((radius - 1) / 0.15) ** 2))
    for sigma, height in ((1.5, 0.1), (3, 0.1)):
        texture = gaussian_filter(random.standard_normal(shape), sigma, mode="wrap")
        image = image + height * texture / texture.std()
    return np.clip(image, -1, 1).astype(np.float32)


def pulled(image, displacement):
    """image(x + u(x)), u (k, j, i, 3) in voxels along (i, j, k)."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in image.shape), indexing="ij"))
    return map_coordinates(image, index + np.moveaxis(displacement, -1, 0)[::-1], order=1, mode="nearest")


def waves(shift=(0.0, 0.0, 0.0), height=1.0, shape=SHAPE):
    """A smooth field in voxels on top of a shift."""
    k, j, i = np.meshgrid(*(2 * np.pi * np.arange(n) / 32 for n in shape), indexing="ij")
    field = np.stack([np.sin(j) * np.cos(k), np.cos(i + 1), 0.7 * np.sin(i) * np.sin(j)], axis=-1)
    return np.asarray(shift) + height * field


def fit(moving, fixed, valid=None, seed=0, progress=SILENT, **changes):
    images = Images(moving, fixed, np.ones(fixed.shape, bool) if valid is None else valid, SPACING_MM)
    return fit_method(AnatomyAware(replace(SETTINGS, **changes)), images, seed=seed, progress=progress)


def length(field):
    return np.linalg.norm(field, axis=-1)


@pytest.fixture(scope="module")
def recovered():
    truth = waves((2.5, -2.0, 1.0), 1.2)
    moving = picture()
    return truth, fit(moving, pulled(moving, truth))


def test_a_known_deformation_is_recovered(recovered):
    truth, found = recovered
    before, after = length(truth)[INNER].mean(), length(found.displacement - truth)[INNER].mean()
    assert before > 3
    assert after < 0.4 * before


def test_what_it_finds_does_not_fold_and_is_inverted(recovered):
    _, found = recovered
    there, back = (torch.from_numpy(u).permute(3, 0, 1, 2)[None] for u in (found.displacement, found.inverse))
    assert jacobian_determinant(there).min() > 0
    left = compose(there, back)[0, :, 3:-3, 5:-5, 5:-5].norm(dim=0)
    assert left.max() < 0.1


def test_the_history_tells_of_every_term(recovered):
    _, found = recovered
    assert {name: len(values) for name, values in found.history.items()} == dict.fromkeys(
        ("total", "similarity", "smoothness", "diffusion"), SETTINGS.iterations
    )
    assert np.mean(found.history["diffusion"][-10:]) < np.mean(found.history["diffusion"][:10])


def test_identical_pictures_stay_where_they_are():
    moving = picture()
    found = fit(moving, moving, iterations=25)
    assert length(found.displacement).mean() < 0.15


def test_pictures_with_nothing_in_common_stay_where_they_are():
    random = np.random.default_rng(0)
    one, other = (np.clip(0.3 * random.standard_normal(SHAPE), -1, 1).astype(np.float32) for _ in range(2))
    assert length(fit(one, other, iterations=25).displacement).mean() < 0.5


def test_smooth_pictures_with_nothing_in_common_drift_less_than_their_loss_would_have_them():
    """Equation 17 lets a whole picture slide towards whatever looks a little more alike; its length holds it back."""
    noise = (gaussian_filter(np.random.default_rng(seed).standard_normal(SHAPE), 2) for seed in (1, 2))
    one, other = ((x / np.abs(x).max()).astype(np.float32) for x in noise)
    held, free = fit(one, other, iterations=15), fit(one, other, iterations=15, lambda_rest=0.0)
    assert length(held.displacement).mean() < 0.75 * length(free.displacement).mean()


def test_pictures_without_features_stay_where_they_are():
    flat = np.full(SHAPE, 0.2, np.float32)
    assert length(fit(flat, flat, iterations=10).displacement).mean() < 0.05


def test_what_is_not_valid_does_not_matter():
    moving = picture()
    fixed = pulled(moving, waves((2.0, 0.0, 0.0), 0.0))
    valid = np.ones(SHAPE, bool)
    valid[:, :, :6] = False
    rubbish = np.where(valid, fixed, 1.0).astype(np.float32)
    one, other = (fit(moving, image, valid, iterations=5) for image in (fixed, rubbish))
    np.testing.assert_array_equal(one.displacement, other.displacement)


def test_a_seed_gives_the_same_field_again_and_leaves_torch_alone():
    moving = picture()
    fixed = pulled(moving, waves((1.0, 0.0, 0.0)))
    state = torch.random.get_rng_state()
    one, again, other = (fit(moving, fixed, seed=seed, iterations=4) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.displacement, again.displacement)
    assert np.abs(one.displacement - other.displacement).max() > 0
    assert torch.equal(torch.random.get_rng_state(), state)


def test_sizes_need_not_suit_the_network():
    moving = picture(shape=(11, 18, 21))
    found = fit(moving, moving, iterations=2)
    assert found.displacement.shape == found.inverse.shape == (11, 18, 21, 3)
    assert found.displacement.dtype == np.float32


def test_it_can_be_cancelled():
    seen = []
    progress = Progress(lambda stage, fraction, message: seen.append(fraction), lambda: len(seen) >= 3)
    moving = picture()
    with pytest.raises(Cancelled):
        fit(moving, moving, progress=progress)
    assert seen == pytest.approx([0, 1 / 40, 2 / 40])


def test_nothing_valid_is_refused():
    with pytest.raises(InputError, match="shows nothing"):
        fit(picture(), picture(), np.zeros(SHAPE, bool))


def test_a_known_pose_is_recovered_in_the_world():
    """From an MR on an oblique, anisotropic grid to millimetres between two oblique grids, through the transform."""
    fixed_grid = Grid((18, 34, 36), SPACING_MM, (-20, 30, 5), rotation(0.2, -0.3, 0.1) @ np.diag([1, -1, -1]))
    truth = sitk.Euler3DTransform()
    truth.SetCenter(fixed_grid.centre_mm.tolist())
    truth.SetRotation(0.06, -0.05, 0.12)
    truth.SetTranslation((33.0, -12.0, 6.5))
    start = sitk.TranslationTransform(3, (30.0, -10.0, 8.0))  # some 4 mm off

    wide = picture(shape=(24, 56, 56))
    mr_grid = Grid(wide.shape, (1.0, 0.9, 2.0), direction=rotation(-0.4, 0.3, 0.2))
    centre = np.array(truth.TransformPoint(fixed_grid.centre_mm.tolist())) - mr_grid.centre_mm
    moving = Volume(wide, replace(mr_grid, origin_mm=tuple(centre)))
    fixed = transforms.warp(moving, fixed_grid, truth)

    region = fixed_grid.cropped_to(fixed_grid.to_world([2, 1, 1]), fixed_grid.to_world([33, 32, 16]))
    on_region = [volume.resampled(region, path).array for volume, path in ((moving, start), (fixed, None))]
    found = fit(*on_region)
    u_mm = Volume(region.voxels_to_mm(found.displacement), region)
    joined = transforms.composite(start, u_mm, fixed_grid)

    wanted = transforms.displacement_on(region, truth).array
    before = length(transforms.displacement_on(region, start).array - wanted)[INNER].mean()
    after = length(transforms.displacement_on(region, joined).array - wanted)[INNER].mean()
    assert before > 3.5
    assert after < 0.4 * before
