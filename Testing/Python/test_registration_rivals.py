"""The rivals as they were published: their weights are counted, their losses worked out, their fields known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import map_coordinates
from torch import nn

from MR2USProLib.errors import InputError
from MR2USProLib.registration import diffusemorph, losses, voxelmorph
from MR2USProLib.registration.deformation import integrate, resize
from MR2USProLib.registration.diffusemorph import DiffuseMorph, DiffuseMorphNetwork
from MR2USProLib.registration.fsdiffreg import FSDiffReg, FSDiffRegNetwork
from MR2USProLib.registration.method import Batch
from MR2USProLib.registration.methods import METHODS, named
from MR2USProLib.registration.training import train
from MR2USProLib.registration.voxelmorph import VoxelMorph, VoxelMorphNetwork
from registration_pair import error, fit, shifted

RIVALS = (FSDiffReg, DiffuseMorph, VoxelMorph)


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def weights(*modules):
    return sum(weight.numel() for module in modules for weight in module.parameters())


def batch(seed=0, valid=None):
    moving, fixed = (torch.tanh(randn(2, 1, 16, 16, 16, seed=seed + n)) for n in (0, 1))
    return Batch(
        moving, fixed, torch.ones_like(fixed) if valid is None else valid, torch.ones(2, 3), {"moving": moving}
    )


def moved_off_zero(network):
    """The network with no weight at exactly zero, as it is after its first steps."""
    torch.manual_seed(0)
    for weight in network.parameters():
        if not weight.detach().any():
            nn.init.normal_(weight, std=0.1)
    return network


def test_the_numbers_of_weights_are_the_published_ones():
    assert weights(VoxelMorphNetwork()) == 327_331
    pair = DiffuseMorphNetwork()
    assert (weights(pair.score), weights(pair.deformation)) == (715_665, 361_299)
    one = FSDiffRegNetwork()
    parts = {
        "encoder": (one.encoder,),
        "middle": (one.middle,),
        "diffusion": (one.score_decoder, one.score_up),
        "registration": (one.field_decoder, one.field_up),
        "fusion": (one.heads,),
        "heads": (one.score, one.field),
        "time": (one.time,),
    }
    assert {name: weights(*modules) for name, modules in parts.items()} == {
        "encoder": 149_552,
        "middle": 115_744,
        "diffusion": 449_584,
        "registration": 582_544,
        "fusion": 21_512,
        "heads": 983,
        "time": 552,
    }
    assert weights(one) == 1_320_471


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_the_published_rates_train_a_cohort(method):
    settings = method.for_cohort(80).settings
    if method in RIVALS:
        assert settings.learning_rate == (1e-4 if method is VoxelMorph else 2e-4)
    assert settings.iterations >= 2000
    assert method.for_cohort(80).refining().settings.iterations <= 50


@pytest.mark.parametrize("method", RIVALS, ids=lambda m: m.name)
def test_the_published_adam_takes_the_steps(method, tmp_path):
    """Where no gradient is clipped, the first moment after one step is 1 - beta_1 of the loss's own gradient."""
    betas = (0.9, 0.999) if method is VoxelMorph else (0.5, 0.999)
    for settings in (method().settings, method.for_cohort(80).settings, method.for_cohort(80).refining().settings):
        assert (settings.betas, settings.clip) == (betas, 0)

    def adam(clip):
        kept, some = tmp_path / f"{clip}.pt", replace(method().settings, iterations=1, batch=1)
        train(method(some if clip is None else replace(some, clip=clip)), [shifted()[0]], checkpoint=kept)
        state = torch.load(kept, weights_only=True)["state"]["optimiser"]
        moment = torch.cat([weight["exp_avg"].flatten() for weight in state["state"].values()])
        return state["param_groups"][0]["betas"], moment.norm().item() / (1 - betas[0])

    used, length = adam(None)
    assert tuple(used) == betas
    assert adam(length / 3)[1] == pytest.approx(length / 3, rel=1e-3)  # a clip would have been seen


@pytest.mark.parametrize("pairs", [20, 80])
def test_every_method_sees_a_cohort_equally_often(pairs):
    settings = [method.for_cohort(pairs).settings for method in METHODS.values()]
    assert len({(some.iterations, some.batch) for some in settings}) == 1
    assert settings[0].iterations * settings[0].batch >= 60 * pairs


def test_a_pair_is_not_seen_twice_by_a_network_without_noise():
    trained = VoxelMorph.for_cohort(80)
    assert (
        VoxelMorph().settings.batch == VoxelMorph.for_cohort(1).settings.batch == trained.refining().settings.batch == 1
    )


@pytest.mark.parametrize("method", RIVALS, ids=lambda m: m.name)
def test_every_weight_takes_part(method):
    method = method()
    network = moved_off_zero(method.network())
    method.losses(network, batch()).total.backward()
    unused = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert unused == []


@pytest.mark.parametrize(("method", "largest"), [(FSDiffReg, 0.0), (DiffuseMorph, 0.05), (VoxelMorph, 1e-3)])
def test_they_begin_at_identity(method, largest):
    torch.manual_seed(0)
    method, given = method(), batch()
    with torch.no_grad():
        there, back = method.fields(
            method.network(), given.moving, given.fixed, given.fixed, torch.zeros(2, dtype=torch.long)
        )
    assert there.shape == back.shape == (2, 3, 16, 16, 16)
    assert there.abs().max() <= largest


def published_correlation(one, other):
    """By convolutions with ones and sums, as all three were released."""
    ones = torch.ones(1, 1, 9, 9, 9, dtype=one.dtype)
    sums = [F.conv3d(x, ones, padding=4) for x in (one, other, one * one, other * other, one * other)]
    mean_1, mean_2 = sums[0] / 729, sums[1] / 729
    cross = sums[4] - mean_1 * sums[1] - mean_2 * sums[0] + mean_1 * mean_2 * 729
    variances = [sums[2 + n] - 2 * m * sums[n] + m * m * 729 for n, m in enumerate((mean_1, mean_2))]
    return cross * cross / (variances[0] * variances[1] + 1e-5)


def test_local_correlation_is_the_published_one():
    one, other = randn(1, 1, 12, 13, 14), randn(1, 1, 12, 13, 14, seed=1)
    expected = published_correlation(one, other)
    torch.testing.assert_close(losses.local_correlation(one, other), expected, rtol=1e-3, atol=1e-5)


def test_local_correlation_knows_neither_contrast_nor_sign():
    image = randn(1, 1, 12, 12, 12)
    torch.testing.assert_close(
        losses.local_correlation(image, 5 - 3 * image)[..., 4:-4, 4:-4, 4:-4], torch.ones(1, 1, 4, 4, 4)
    )


def test_squared_gradient_of_a_ramp():
    ramp = torch.zeros(1, 3, 4, 5, 6)
    ramp[:, 1] = 0.6 * torch.arange(6.0)
    assert losses.squared_gradient(ramp).item() == pytest.approx(0.6**2 / 9)  # one of three components and directions


def warped_into_zeros(images, displacement):
    """Each picture at x + u(x), in [0, 1] and with zeros beyond its border."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in images.shape[2:]), indexing="ij"))
    warped = [
        map_coordinates((image[0].double().numpy() + 1) / 2, index + u.flip(0).numpy(), order=1, mode="grid-constant")
        for image, u in zip(images, displacement, strict=True)
    ]
    return torch.from_numpy(np.stack(warped))[:, None]


def published_smoothness(field):
    """Squared forward differences: the mean along each direction, and then over the three."""
    steps = (
        field[:, :, 1:] - field[:, :, :-1],
        field[:, :, :, 1:] - field[:, :, :, :-1],
        field[..., 1:] - field[..., :-1],
    )
    return sum((step**2).mean() for step in steps) / 3


def noise_in(noised, fixed, time):
    """The noise that was added at these times, under betas that rise from 1e-6 to 1e-2 in 2000 steps."""
    kept = torch.cumprod(1 - torch.linspace(1e-6, 1e-2, 2000, dtype=torch.float64), dim=0)[time].view(-1, 1, 1, 1, 1)
    return (noised.double() - kept.sqrt() * fixed.double()) / (1 - kept).sqrt()


def across_the_border():
    """A displacement that differs from voxel to voxel and leaves the picture here and there."""
    return F.avg_pool3d(randn(2, 3, 20, 20, 20, seed=2), 5, stride=1) * 20


def assert_terms(found, **expected):
    expected = {name: value.float() for name, value in expected.items()}
    torch.testing.assert_close({name: found[name] for name in expected}, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", [DiffuseMorph, FSDiffReg], ids=lambda m: m.name)
def test_the_loss_of_a_diffusion_network_is_the_published_sum(method):
    given, score, displacement = batch(), randn(2, 1, 16, 16, 16, seed=3), across_the_border()
    seen = []

    def network(*pictures):
        seen.extend(pictures)
        return diffusemorph.Prediction(score, displacement)

    torch.manual_seed(0)
    terms = method().losses(network, given).terms
    assert torch.equal(seen[0], given.moving)
    assert torch.equal(seen[1], given.fixed)
    agreement = published_correlation(warped_into_zeros(given.moving, displacement), (given.fixed.double() + 1) / 2)
    if method is FSDiffReg:
        agreement = agreement / (1 + torch.exp(-score))
    similarity, smoothness = -agreement.mean(), published_smoothness(displacement)
    diffusion = ((score - noise_in(seen[2], given.fixed, seen[3])) ** 2).mean()
    total = diffusion + 20 * similarity + 20 * smoothness
    assert_terms(terms, similarity=similarity, smoothness=smoothness, diffusion=diffusion, total=total)


def test_the_loss_of_voxelmorph_is_the_published_sum():
    """The velocity is halved and integrated in seven steps; its gradient counts as often as its grid is coarser."""
    given, velocity = batch(), across_the_border()
    seen = []

    def network(*pictures):
        seen.extend(pictures)
        return voxelmorph.Prediction(velocity)

    terms = VoxelMorph().losses(network, given).terms
    assert torch.equal(seen[0], (given.moving + 1) / 2)
    assert torch.equal(seen[1], (given.fixed + 1) / 2)
    halved = F.interpolate(velocity, size=(8, 8, 8), mode="trilinear", align_corners=True) * 7 / 15
    warped = warped_into_zeros(given.moving, resize(integrate(halved, 7), (16, 16, 16)))
    similarity = -published_correlation(warped, (given.fixed.double() + 1) / 2).mean()
    smoothness = 2 * published_smoothness(halved)
    assert_terms(terms, similarity=similarity, smoothness=smoothness, total=similarity + smoothness)


def test_what_is_not_valid_is_not_compared():
    valid = torch.ones(2, 1, 16, 16, 16)
    valid[..., :6] = 0
    given, method = batch(), VoxelMorph()
    torch.manual_seed(0)
    prediction = method.network()(given.moving, given.fixed)
    spoilt = given.fixed.clone()
    spoilt[..., 0] = 1.0  # further from what is valid than half a window

    def similarity(fixed, mask):
        return method.losses(lambda *_: prediction, replace(given, fixed=fixed, valid=mask)).terms["similarity"]

    assert similarity(given.fixed, valid) == similarity(spoilt, valid)
    assert similarity(given.fixed, torch.ones_like(valid)) != similarity(spoilt, torch.ones_like(valid))


def test_the_fixed_picture_reaches_diffusemorphs_field_through_the_score_alone():
    torch.manual_seed(0)
    network, given = DiffuseMorphNetwork(), batch()
    score, field = network(given.moving, given.fixed, given.fixed, torch.zeros(2, dtype=torch.long))
    torch.testing.assert_close(network.deformation(given.moving, score), field)
    field.square().mean().backward()  # nothing is held: what the field wants reaches the score's network
    assert network.score.encoder.stem.weight.grad.abs().sum() > 0


def test_the_score_says_where_fsdiffregs_correlation_counts():
    agreement, score = torch.rand(1, 1, 4, 4, 4), randn(1, 1, 4, 4, 4)
    torch.testing.assert_close(FSDiffReg().weighed(agreement, score), agreement / (1 + torch.exp(-score)))


@pytest.mark.parametrize(("method", "iterations"), [(FSDiffReg, 15), (DiffuseMorph, 40), (VoxelMorph, 30)])
def test_they_find_a_shift(method, iterations):
    images, truth = shifted()
    method = method()
    method = type(method)(replace(method.settings, iterations=iterations))
    found = fit(method, images, seed=1)
    assert error(0 * truth, truth) > 1.8
    assert error(found.displacement, truth) < 0.9
    assert error(found.inverse, -truth) < 0.9
    assert len(found.history["total"]) == iterations


def test_an_unknown_name_is_refused_in_a_sentence():
    with pytest.raises(InputError, match="There is no registration 'other': choose self-similarity"):
        named("other")


def test_the_settings_of_another_method_are_refused():
    with pytest.raises(TypeError, match="fsdiffreg takes FSDiffRegSettings"):
        FSDiffReg(VoxelMorph().settings)
