"""Each term of the anatomy-aware loss, worked out by hand on a grid whose every axis is another."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from MR2USProLib.registration.anatomy_aware import AnatomyAware
from MR2USProLib.registration.method import Batch
from MR2USProLib.registration.network import Prediction
from MR2USProLib.registration.pair import Images
from registration_pair import pulled, texture

FULL, HALF = (8, 12, 16), (4, 6, 8)  # (k, j, i)
SPACING_MM = np.array([[0.5, 1.0, 2.0], [0.8, 0.7, 3.0]])  # of two pairs, along (i, j, k)
HALF_SPACING_MM = SPACING_MM * (15 / 7, 11 / 5, 7 / 3)  # corner voxels lie on corner voxels
SHARE = np.array([0.4, 0.9])  # of the moving pictures' spreads
SLOPE, SHIFT = (0.4, -0.3, 0.0), (0.5, -0.25, 0.0)


def shear(k):
    """SHIFT + SLOPE k: it moves nothing along k, so that as a velocity it leads to itself as a displacement."""
    return np.array(SHIFT) + np.asarray(k)[..., None] * np.array(SLOPE)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def tensor(items):
    return torch.from_numpy(np.stack(items)).float()[:, None]


class Known:
    """A network whose prediction is known, and what it was asked."""

    def __init__(self):
        k = np.broadcast_to(np.arange(HALF[0])[:, None, None], HALF)
        velocity = torch.from_numpy(np.moveaxis(shear(k), -1, 0).copy()).float()
        self.prediction = Prediction(
            torch.randn(2, 1, *FULL, generator=torch.Generator().manual_seed(5)), velocity.expand(2, 3, *HALF)
        )

    def __call__(self, moving, fixed, noised, time):
        self.moving, self.fixed, self.noised, self.time = moving, fixed, noised, time
        return self.prediction


@pytest.fixture(scope="module")
def batch():
    moving, fixed, compared, anatomy = ([texture(2 * n + m, FULL) for m in range(2)] for n in range(4))
    valid = np.ones((2, *FULL))
    valid[0, :, :, 13:] = valid[1, :2] = 0
    return Batch(
        tensor(moving),
        tensor(fixed),
        tensor(valid),
        torch.from_numpy(SPACING_MM).float(),
        {
            "moving": tensor(compared),
            "moving_share": torch.from_numpy(SHARE).float().view(2, 1, 1, 1, 1),
            "fixed_anatomy": torch.sigmoid(5 * tensor(anatomy)),
        },
    )


@pytest.fixture(scope="module")
def found(batch):
    """The network as it was asked, and the loss."""
    network = Known()
    torch.manual_seed(0)
    return network, AnatomyAware().losses(network, batch)


def test_similarity_is_the_dice_of_both_anatomies_in_units_of_their_spreads(batch, found):
    k = np.broadcast_to(np.arange(FULL[0])[:, None, None], FULL) * 3 / 7
    displacement = shear(k) * (15 / 7, 11 / 5, 7 / 3)  # in voxels of the full grid
    both = ones = others = 0.0
    for n in range(2):
        seen = batch.valid[n, 0].numpy() > 0
        warped = pulled(batch.compared["moving"][n, 0].double().numpy(), displacement)[seen]
        one = batch.compared["fixed_anatomy"][n, 0].double().numpy()[seen]
        other = sigmoid(-SHARE[n] * (warped - warped.mean()) / warped.std())
        both, ones, others = both + (one * other).sum(), ones + one.sum(), others + other.sum()
    expected = 1 - 2 * both / (ones + others)
    assert found[1].terms["similarity"].item() == pytest.approx(expected, abs=2e-5)


def test_smoothness_is_measured_in_mm_of_the_half_grid(found):
    slopes = np.array(SLOPE) * HALF_SPACING_MM / HALF_SPACING_MM[:, 2:]  # mm for each mm along k
    expected = (slopes**2).sum(axis=1).mean()
    assert found[1].terms["smoothness"].item() == pytest.approx(expected, rel=1e-4)


def test_one_item_is_seen_as_inference_sees_it_and_the_other_noised(batch, found):
    network, loss = found
    assert torch.equal(network.moving, batch.moving)
    assert torch.equal(network.fixed, batch.fixed)
    assert network.time[0] == 0 < network.time[1]
    assert (network.noised - batch.fixed)[0].std() == pytest.approx(1e-3, rel=0.1)  # the first beta is 1e-6
    kept = torch.cumprod(1 - torch.linspace(1e-6, 1e-2, 2000, dtype=torch.float64), dim=0)[network.time]
    kept = kept.view(2, 1, 1, 1, 1)
    noise = (network.noised.double() - kept.sqrt() * batch.fixed.double()) / (1 - kept).sqrt()
    expected = (network.prediction.score - noise).square().mean().item()
    assert loss.terms["diffusion"].item() == pytest.approx(expected, rel=1e-3)


def test_the_total_weighs_its_terms_and_a_displacement_costs_its_squared_length_in_mm(found):
    terms = {name: value.item() for name, value in found[1].terms.items()}
    moved_mm = shear(np.arange(HALF[0])) * HALF_SPACING_MM[:, None]
    length = (moved_mm**2).sum(axis=-1).mean()
    assert length > 3
    expected = 20 * terms["similarity"] + 5 * terms["smoothness"] + terms["diffusion"] + 5e-3 * length
    assert terms["total"] == pytest.approx(expected, abs=1e-4)


def test_the_pictures_are_compared_in_units_of_what_the_blur_has_left_of_their_spreads():
    fine = np.random.default_rng(1).standard_normal((16, 16, 16)).astype(np.float32) / 10
    moving, fixed = texture(0), texture(1) + fine  # the blur takes more of the fixed picture
    valid = np.ones(fixed.shape, bool)
    valid[..., :4] = False
    method = AnatomyAware(replace(AnatomyAware().settings, channels=(8, 16)))
    for stage, blur in enumerate((4.0, 2.0, 1.0)):
        found = method.compared(Images(moving, fixed, valid, (1.0, 1.0, 1.0)), stage)
        filled = np.where(valid, fixed, fixed[valid].mean())
        soft, other = (gaussian_filter(x, blur, mode="nearest") for x in (moving, filled))
        assert found["moving_share"].item() == pytest.approx(soft[valid].std() / moving[valid].std(), rel=1e-3)
        np.testing.assert_allclose(found["moving"][0, 0].numpy(), soft, atol=1e-5)
        share = other[valid].std() / fixed[valid].std()
        expected = sigmoid(-share * (other - other[valid].mean()) / other[valid].std())
        np.testing.assert_allclose(found["fixed_anatomy"][0, 0].numpy()[valid], expected[valid], atol=1e-3)
