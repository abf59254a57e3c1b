"""The network's parts: shapes, invariances, and that it begins at identity."""

import pytest
import torch

from MR2USProLib.registration.blocks import CrossAttention, attend
from MR2USProLib.registration.diffusion import NoiseSchedule
from MR2USProLib.registration.network import AnatomyAwareNetwork, blocks_to_channels, channels_to_blocks


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_blocks_and_channels_undo_each_other():
    image = randn(2, 3, 4, 6, 8)
    cut = blocks_to_channels(image)
    assert cut.shape == (2, 24, 2, 3, 4)
    assert torch.equal(channels_to_blocks(cut), image)
    assert torch.equal(cut[0, 8:16, 1, 2, 3], image[0, 1, 2:4, 4:6, 6:8].flatten())


def test_attention_by_hand():
    """One head of one channel each: context = sum(softmax(k) v) is one number, which scales the query."""
    query, key = randn(1, 4, 2, 2, 2), randn(1, 4, 2, 2, 2, seed=1)
    flat = key.reshape(4, 8)
    context = (flat.softmax(dim=1) * flat).sum(dim=1)
    torch.testing.assert_close(attend(query, key, key), query * context.view(1, 4, 1, 1, 1))


def test_attention_does_not_care_for_the_order_of_the_keys_voxels():
    query, key = randn(2, 8, 3, 4, 5), randn(2, 8, 3, 4, 5, seed=1)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(2))
    shuffled = key.reshape(2, 8, 60)[..., order].reshape(key.shape)
    torch.testing.assert_close(attend(query, shuffled, shuffled), attend(query, key, key))


def test_attention_is_linear_in_the_query():
    query, key = randn(1, 8, 2, 3, 4), randn(1, 8, 2, 3, 4, seed=1)
    torch.testing.assert_close(attend(3 * query, key, key), 3 * attend(query, key, key))
    assert CrossAttention(8)(query, key).shape == query.shape


@pytest.mark.parametrize("channels", [(8, 8), (4, 8, 12)])
def test_the_network_begins_at_identity_and_scores_every_voxel(channels):
    torch.manual_seed(0)
    network = AnatomyAwareNetwork(channels)
    moving, fixed = randn(2, 1, 8, 16, 24), randn(2, 1, 8, 16, 24, seed=1)
    found = network(moving, fixed, fixed, torch.tensor([0, 1500]))
    assert found.score.shape == (2, 1, 8, 16, 24)
    assert found.velocity.shape == (2, 3, 4, 8, 12)
    assert torch.equal(found.velocity, torch.zeros_like(found.velocity))
    assert found.score.std() > 0


def test_every_weight_is_used():
    """After the heads have moved off zero, each weight takes part in the score or in the field."""
    torch.manual_seed(0)
    network = AnatomyAwareNetwork((4, 8, 8))
    for head in network.heads:
        torch.nn.init.normal_(head.field.weight)
    picture = randn(2, 1, 8, 16, 16)
    found = network(picture, picture.flip(2), picture, torch.tensor([3, 900]))
    (found.score.square().sum() + found.velocity.square().sum()).backward()
    unused = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert unused == []


def test_the_diffusion_decoder_guides_the_field():
    torch.manual_seed(0)
    network = AnatomyAwareNetwork((4, 8, 8))
    for head in network.heads:
        torch.nn.init.normal_(head.field.weight)
    picture = randn(1, 1, 8, 16, 16)
    network(picture, picture.flip(2), picture, torch.tensor([3])).velocity.square().sum().backward()
    assert network.score_decoder[0].first[0].weight.grad.abs().sum() > 0
    assert network.score.weight.grad is None


def test_the_schedule_keeps_what_was_published():
    schedule = NoiseSchedule()
    for time, signal in ((100, 0.987), (200, 0.951), (500, 0.731), (1000, 0.285), (1999, 0.007)):
        assert schedule.signal[time].item() == pytest.approx(signal, abs=1.5e-3)
    torch.testing.assert_close(schedule.signal**2 + schedule.noise**2, torch.ones(2000))


def test_noise_is_added_in_the_schedules_shares():
    schedule = NoiseSchedule()
    image, noise = torch.full((2, 1, 2, 2, 2), 2.0), torch.full((2, 1, 2, 2, 2), -1.0)
    noised = schedule.add_noise(image, torch.tensor([0, 1000]), noise)
    assert noised[0].mean().item() == pytest.approx(2 - 1e-3, abs=1e-5)  # sqrt(1e-6) of the noise
    expected = 2 * schedule.signal[1000] - schedule.noise[1000]
    torch.testing.assert_close(noised[1], expected.expand(1, 2, 2, 2))
