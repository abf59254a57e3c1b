"""The losses of the translation on pictures for which they can be worked out by hand."""

import math

import pytest
import torch

from MR2USProLib.translation.entropy import FLOOR, gaussian_patch_entropy
from MR2USProLib.translation.guards import (
    TextureController,
    edge_agreement,
    edges,
    regional,
    total_variation,
    without_fine,
)
from MR2USProLib.translation.losses import (
    LossWeights,
    boundary_loss,
    bridge_loss,
    c3x3,
    c7x7,
    sobel,
    texture_loss,
)

CONSTANT_ENTROPY = 0.5 * math.log(2 * math.pi * math.e * FLOOR**2)
"""A constant picture is known but for the noise through which it is seen."""


def ramp(slope, rows=16, columns=16):
    """Rises by ``slope`` per column."""
    return (slope * torch.arange(columns, dtype=torch.float32)).expand(1, 1, rows, columns).clone()


def inner(x, margin=4):
    return x[..., margin:-margin, margin:-margin]


def test_the_slope_of_a_ramp_is_its_slope():
    slopes = inner(sobel(ramp(0.25)))
    torch.testing.assert_close(slopes[:, 0], torch.full_like(slopes[:, 0], 0.25))
    torch.testing.assert_close(slopes[:, 1], torch.zeros_like(slopes[:, 1]))
    down = inner(sobel(ramp(-0.25).transpose(2, 3)))
    torch.testing.assert_close(down[:, 1], torch.full_like(down[:, 1], -0.25))


def test_the_measuring_kernels_keep_means_and_ramps():
    for kernel in (c3x3, c7x7):
        plain = torch.full((2, 3, 12, 12), 0.3)
        torch.testing.assert_close(kernel(plain), plain)
        torch.testing.assert_close(inner(kernel(ramp(0.5))), inner(ramp(0.5)))


def test_the_3x3_kernel_spreads_a_point_binomially():
    point = torch.zeros(1, 1, 9, 9)
    point[..., 4, 4] = 16
    assert c3x3(point)[0, 0, 3:6, 3:6].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]


def test_boundaries_are_compared_by_signed_slopes():
    # Slopes .5 and .2 along columns, none along rows: the mean over both directions is (.3 + 0) / 2, but for the
    # reflected rims, which the mask takes away.
    valid = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    valid[..., 4:-4, 4:-4] = True
    assert boundary_loss(ramp(0.5), ramp(0.2), valid).item() == pytest.approx(0.15)
    assert boundary_loss(ramp(0.5), ramp(-0.5), valid).item() == pytest.approx(0.5)
    assert boundary_loss(ramp(0.5) + 3, ramp(0.5), valid).item() == pytest.approx(0.0, abs=1e-6)


def test_the_source_is_a_target_and_gets_no_gradient():
    after, before = ramp(0.5).requires_grad_(), ramp(0.2).requires_grad_()
    boundary_loss(after, before).backward()
    assert after.grad.abs().sum() > 0
    assert before.grad is None


def test_textures_are_compared_by_squares():
    a, b = torch.full((2, 3, 8, 8), 0.7), torch.full((2, 3, 8, 8), 0.2)
    assert texture_loss(a, b).item() == pytest.approx(0.25)


def test_the_7x7_kernel_makes_fine_texture_alike():
    row, column = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    checkerboard = ((row + column) % 2 * 2.0 - 1)[None, None]
    assert texture_loss(checkerboard, -checkerboard).item() < 1e-3 * ((2 * checkerboard) ** 2).mean().item()


@pytest.mark.parametrize(("t", "weight"), [(0.0, 0.02), (0.5, 0.01), (0.94, 0.0012)])
def test_the_bridge_loss_is_distance_less_weighted_entropy(t, weight):
    x_t, x_1 = torch.full((1, 1, 8, 8), 0.5), torch.full((1, 1, 8, 8), 0.2)
    assert bridge_loss(x_t, x_1, t, 0.01).item() == pytest.approx(0.09 - weight * CONSTANT_ENTROPY, rel=1e-4)


def test_the_entropy_of_white_noise_is_that_of_its_gaussian():
    generator = torch.Generator().manual_seed(0)
    x_t, x_1 = (0.5 * torch.randn(4, 1, 64, 64, generator=generator) for _ in range(2))
    expected = 0.5 * math.log(2 * math.pi * math.e * (0.25 + FLOOR**2))
    assert gaussian_patch_entropy(x_t, x_1).item() == pytest.approx(expected, abs=0.01)


def test_a_picture_that_repeats_the_state_has_less_entropy_than_one_that_does_not():
    generator = torch.Generator().manual_seed(0)
    x_t, other = (0.5 * torch.randn(2, 1, 32, 32, generator=generator) for _ in range(2))
    assert gaussian_patch_entropy(x_t, x_t) < gaussian_patch_entropy(x_t, other) - 0.5


def test_the_weights_of_equation_14():
    weights = LossWeights(bridge=2, boundary=3, texture=5)
    assert weights.paper(torch.tensor(1.0), torch.tensor(10.0), torch.tensor(100.0)).item() == 532


@pytest.fixture
def pictures():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(2, 1, 32, 32, generator=generator) * 2 - 1 for _ in range(2))
    valid = torch.zeros(2, 1, 32, 32, dtype=torch.bool)
    valid[0, :, 4:28, 6:30] = True
    valid[1, :, 8:24, 3:20] = True
    return a, b, valid


@pytest.mark.parametrize(
    "loss",
    [
        lambda a, b, valid: bridge_loss(a, b, 0.5, 0.01, valid),
        edge_agreement,
        lambda a, b, valid: edge_agreement(a, b, valid, signed=False),
        lambda a, b, valid: total_variation(a, valid) + total_variation(b, valid),
        lambda a, b, valid: (without_fine(a, valid) * without_fine(b, valid)).mean(),
    ],
)
def test_what_is_not_valid_does_not_matter(loss, pictures):
    a, b, valid = pictures
    other_a, other_b = torch.where(valid, a, 7 * a + 3), torch.where(valid, b, -b)
    assert loss(a, b, valid).item() == pytest.approx(loss(other_a, other_b, valid).item(), rel=1e-6)
    inside = torch.where(valid, a**3, a)
    assert loss(a, b, valid).item() != pytest.approx(loss(inside, b, valid).item(), rel=1e-6)


def test_an_edge_is_kept_lost_or_flipped(pictures):
    a, b, _ = pictures
    assert edge_agreement(a, 0.3 * a + 0.1).item() == pytest.approx(1.0, abs=1e-4)
    assert edge_agreement(a, -a).item() == pytest.approx(-1.0, abs=1e-4)
    assert edge_agreement(a, -a, signed=False).item() == pytest.approx(1.0, abs=1e-4)
    assert abs(edge_agreement(a, b).item()) < 0.3
    assert abs(edge_agreement(a, b, signed=False).item()) < 0.3
    assert edge_agreement(ramp(1.0), ramp(1.0).transpose(2, 3), signed=False).item() < -0.5
    assert edge_agreement(torch.zeros_like(a), a).item() == pytest.approx(0.0, abs=1e-4)


def test_slow_brightness_is_no_edge_and_a_step_is_one():
    row = torch.arange(64.0)
    slope, step = (x.expand(1, 1, 64, 64) for x in (row / 32 - 1, torch.where(row > 31, 1.0, -1.0)))
    # Away from the rim, where the window is cut off.
    left, whole = (inner(edges(x, None, 9), 24).abs().max() for x in (slope, step))
    assert left < 0.01 * whole
    assert whole > 0.5 * inner(edges(step, None), 24).abs().max()
    assert inner(edges(slope, None), 24)[:, 0].mean() == pytest.approx(1 / 32)


def test_the_regional_brightness_is_the_mean_of_what_the_window_holds_twice():
    x = torch.zeros(1, 1, 8, 8)
    x[0, 0, 0, 0] = 1.0
    found = regional(x, 3)[0, 0]
    # At the corner a window holds 2x2 voxels, beside it 2x3, and within 3x3.
    assert found[0, 0].item() == pytest.approx((1 / 4 + 1 / 6 + 1 / 6 + 1 / 9) / 4)
    assert found[2, 2].item() == pytest.approx(1 / 9 / 9)
    assert found[3:].abs().max() == 0


def test_features_see_no_stripes_and_all_of_a_slope():
    stripes = torch.tensor([1.0, -1.0]).repeat(8).expand(1, 1, 16, 16)
    seen = without_fine(torch.stack([ramp(0.05), ramp(0.05) + stripes]), None)
    assert seen.shape == (2, 1, 1, 16, 16)
    torch.testing.assert_close(inner(seen[0]), inner(ramp(0.05)))
    torch.testing.assert_close(inner(seen[1]), inner(seen[0]), atol=0.03, rtol=0)


def test_the_variation_of_a_ramp_is_its_slope():
    assert total_variation(ramp(0.25)).item() == pytest.approx(0.25)


def test_the_texture_comes_in_slowly_and_gives_way_where_edges_are_lost():
    controller = TextureController()
    assert controller(0.01, 1.0) == pytest.approx(1 / 20)
    assert controller(0.1, 1.0) == pytest.approx(0.5)
    assert controller(0.51, 1.0) == pytest.approx(1.0)
    assert controller(0.52, 0.1) == pytest.approx(0.5)
    assert controller(0.53, 0.1) == pytest.approx(0.25)
    assert controller(0.54, 0.9) == pytest.approx(0.2625)
    for _ in range(100):
        last = controller(0.61, 0.1)
    assert last == pytest.approx(1 / 64)
