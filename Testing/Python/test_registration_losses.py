"""Equations 15 to 19 against values worked out by hand."""

import math

import pytest
import torch

from MR2USProLib.registration import losses


def test_anatomy_of_a_constant_is_one_half():
    assert torch.equal(losses.anatomy(torch.full((1, 1, 2, 3, 4), 7.0)), torch.full((1, 1, 2, 3, 4), 0.5))


def test_anatomy_is_high_where_the_image_is_dark():
    image = torch.tensor([-1.0, 0.0, 1.0, 0.0]).view(1, 1, 1, 2, 2)  # mean 0
    expected = torch.tensor([1 / (1 + math.exp(-1)), 0.5, 1 / (1 + math.exp(1)), 0.5]).view(1, 1, 1, 2, 2)
    torch.testing.assert_close(losses.anatomy(image), expected)


def test_anatomy_takes_each_mean_over_its_own_valid_voxels():
    image = torch.tensor([[1.0, 3.0, 100.0], [5.0, 7.0, -100.0]]).view(2, 1, 1, 1, 3)
    valid = torch.tensor([True, True, False]).view(1, 1, 1, 1, 3)
    dark = 1 / (1 + math.exp(-1))
    found = losses.anatomy(image, valid)[..., :2].flatten()
    torch.testing.assert_close(found, torch.tensor([dark, 1 - dark, dark, 1 - dark]))


def test_soft_dice_of_two_halves_is_one_half():
    half = torch.full((1, 1, 4, 4, 4), 0.5)  # 1 - 2 * 64 / 4 / (32 + 32)
    assert losses.soft_dice(half, half).item() == pytest.approx(0.5, abs=1e-6)


def test_soft_dice_of_binary_masks_is_one_minus_dice():
    one = torch.tensor([1.0, 1.0, 1.0, 0.0]).view(1, 1, 1, 2, 2)
    other = torch.tensor([0.0, 1.0, 1.0, 1.0]).view(1, 1, 1, 2, 2)
    assert losses.soft_dice(one, other).item() == pytest.approx(1 - 2 * 2 / 6, abs=1e-6)
    assert losses.soft_dice(one, one).item() == pytest.approx(0.0, abs=1e-6)
    assert losses.soft_dice(one * 0, one * 0).item() == pytest.approx(0.0, abs=1e-6)  # epsilon over epsilon


def test_soft_dice_ignores_what_is_not_valid():
    one = torch.tensor([1.0, 1.0, 1.0, 0.0]).view(1, 1, 1, 2, 2)
    other = torch.tensor([0.0, 1.0, 1.0, 1.0]).view(1, 1, 1, 2, 2)
    valid = torch.tensor([False, True, True, False]).view(1, 1, 1, 2, 2)
    assert losses.soft_dice(one, other, valid).item() == pytest.approx(0.0, abs=1e-6)


def test_standardised_images_know_no_contrast():
    image = torch.randn(2, 1, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(losses.standardised(3 * image + 2), losses.standardised(image), atol=1e-4, rtol=1e-4)
    assert losses.standardised(image).square().mean().item() == pytest.approx(1.0, abs=1e-3)


def test_standardising_a_constant_gives_zero():
    assert torch.equal(losses.standardised(torch.full((1, 1, 2, 2, 2), 5.0)), torch.zeros(1, 1, 2, 2, 2))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_smoothness_of_a_linear_field_is_its_squared_slope(axis):
    """u along i grows by 0.3 voxel for each voxel along one axis: in mm the slope is 0.3 * s_i / s_axis."""
    spacing = (0.5, 1.0, 2.0)
    ramp = torch.arange(6.0).view([6 if 4 - d == axis else 1 for d in range(2, 5)]).expand(6, 6, 6)
    field = torch.zeros(1, 3, 6, 6, 6)
    field[:, 0] = 0.3 * ramp
    expected = (0.3 * spacing[0] / spacing[axis]) ** 2
    assert losses.smoothness(field, spacing).item() == pytest.approx(expected, rel=1e-5)


def test_smoothness_of_a_translation_is_zero():
    assert losses.smoothness(torch.ones(1, 3, 4, 4, 4) * 5, (1, 1, 3)).item() == 0


def test_diffusion_is_the_mean_squared_error():
    assert losses.diffusion(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0])).item() == pytest.approx(2.5)


def test_total_is_the_weighted_sum():
    parts = (torch.tensor(0.5), torch.tensor(0.25), torch.tensor(2.0))
    assert losses.total(*parts, lambda_sim=20, lambda_smooth=4, lambda_diff=0.5).item() == pytest.approx(12.0)
