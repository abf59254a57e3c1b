"""The generator of the translation: the time matters, its conv path is alive, its features have their shapes."""

from itertools import pairwise

import pytest
import torch

from MR2USProLib.networks.resampling import BilinearUp, BlurDown
from MR2USProLib.networks.residual import TimeResidualBlock
from MR2USProLib.networks.time_embedding import sinusoidal
from MR2USProLib.translation.generator import Generator, slabs


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return Generator(channels=8, blocks=2)


def test_a_translation_has_the_shape_of_its_source_and_lies_within_one(generator):
    x_1 = generator(torch.randn(4, 1, 32, 24), 0)
    assert x_1.shape == (4, 1, 32, 24)
    assert x_1.abs().max() < 1


def test_a_residual_generator_begins_as_the_identity_and_learns():
    torch.manual_seed(0)
    generator = Generator(channels=8, blocks=1, residual=True)
    x = 1.8 * torch.rand(2, 1, 32, 32) - 0.9
    found = generator(x, 2)
    torch.testing.assert_close(found, x)
    found.mean().backward()
    assert generator.head.weight.grad is not None
    assert generator.head.weight.grad.abs().max() > 0
    white = generator(torch.ones(1, 1, 32, 32), 0)  # no infinite slope at the ends of the scale
    assert white.min().item() == pytest.approx(0.98, abs=1e-5)


def test_the_time_reaches_the_picture(generator):
    x = torch.rand(2, 1, 32, 32)
    pictures = [generator(x, index) for index in range(5)]
    for one, two in pairwise(pictures):
        assert (one - two).abs().mean() > 1e-4


def test_every_weight_gets_a_gradient(generator):
    generator(torch.rand(2, 1, 32, 32), 1).square().mean().backward()
    for name, parameter in generator.named_parameters():
        # A constant per channel is taken away again by the normalisation that follows all but the last convolution.
        if name.endswith(".bias") and not name.startswith(("head", "time")) and "modulation" not in name:
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 1e-9, name


def test_features_are_shallow_at_full_and_deep_at_a_quarter_of_the_resolution(generator):
    shallow, deep = generator.features(torch.rand(3, 1, 32, 40))
    assert shallow.shape == (3, 8, 32, 40)
    assert deep.shape == (3, 32, 8, 10)


def test_features_cannot_be_made_small(generator):
    x = torch.rand(2, 1, 32, 32)
    before = generator.features(x)
    with torch.no_grad():
        generator.stem[0].weight.mul_(0.1)
        generator.stem[0].bias.mul_(0.1)
    for small, large in zip(generator.features(x), before, strict=True):
        torch.testing.assert_close(small, large, atol=0.05, rtol=0.05)


def test_a_slab_is_a_slice_between_its_neighbours():
    x = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 1, 2, 2)
    assert slabs(x)[:, :, 0, 0].tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3]]


def test_a_generator_without_slabs_sees_one_slice_only():
    torch.manual_seed(0)
    x = torch.rand(3, 1, 16, 16)
    other = x.clone()
    other[1] = 0
    for slab, same in ((False, True), (True, False)):
        model = Generator(8, 1, slab=slab)
        assert torch.equal(model(x, 0)[0], model(other, 0)[0]) == same


def test_a_block_changes_with_the_time_and_keeps_its_skip():
    torch.manual_seed(0)
    block = TimeResidualBlock(4, 6)
    x, time = torch.rand(2, 4, 8, 8), torch.rand(2, 6)
    assert not torch.allclose(block(x, time), block(x, time + 1))
    # What the block adds is normalised: its mean over the picture is zero, so that x keeps its own.
    torch.testing.assert_close((block(x, time) - x).mean(dim=(2, 3)), torch.zeros(2, 4), atol=1e-5, rtol=0)


def test_sinusoids_of_time_zero_are_zeros_and_ones():
    assert sinusoidal(torch.tensor([0.0]), 6).tolist() == [[0, 0, 0, 1, 1, 1]]
    # The first frequency is 1.
    assert sinusoidal(torch.tensor([2.0]), 6)[0, [0, 3]].tolist() == pytest.approx([0.9093, -0.4161], abs=1e-4)


def test_a_checkerboard_does_not_survive_halving_and_a_plain_does():
    row, column = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    checkerboard = ((row + column) % 2 * 2.0 - 1)[None, None]
    assert BlurDown()(checkerboard).abs().max() < 1e-6
    plain = torch.full((1, 3, 8, 8), 0.7)
    torch.testing.assert_close(BlurDown()(plain), torch.full((1, 3, 4, 4), 0.7))
    torch.testing.assert_close(BilinearUp()(plain), torch.full((1, 3, 16, 16), 0.7))
