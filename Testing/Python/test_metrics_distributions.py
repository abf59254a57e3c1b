"""FID and KID on sets whose distance is known, and the insides of glands."""

import numpy as np
import pytest
import torch

from MR2USProLib.errors import InputError
from MR2USProLib.evaluation.distributions import InceptionFeatures, ProxyFeatures, distance
from MR2USProLib.evaluation.interiors import around, interiors

RNG = np.random.default_rng


class Given(torch.nn.Module):
    """Features that are the pixels themselves."""

    label = "pixels"
    num_features = 4

    def forward(self, slices):
        return slices.flatten(1)


def gaussians(mean: float, spread: float, count: int, seed: int):
    return list(RNG(seed).normal(mean, spread, (count, 2, 2)).astype(np.float32))


def test_the_fid_of_gaussians_is_that_of_their_means_and_covariances():
    # Four independent features: 4 (0.3^2 + (0.5 - 0.2)^2) = 0.72.
    found = distance(gaussians(0, 0.2, 20_000, 0), gaussians(0.3, 0.5, 20_000, 1), Given())
    assert found.fid == pytest.approx(0.72, rel=0.02)
    assert found.slices == (20_000, 20_000)
    assert found.extractor == "pixels"


def test_the_kid_is_unbiased():
    same = distance(gaussians(0, 1, 400, 0), gaussians(0, 1, 400, 1), Given())
    apart = distance(gaussians(0, 1, 400, 0), gaussians(1, 1, 400, 1), Given())
    assert abs(same.kid) < 0.3 * same.kid_spread
    assert apart.kid > 10 * abs(same.kid)


def test_constants_have_no_distance():
    plain = [np.full((16, 16), 0.3, np.float32)] * 5
    found = distance(plain, plain)
    assert found.fid == pytest.approx(0, abs=1e-6)
    assert found.kid == pytest.approx(0, abs=1e-6)
    assert found.extractor == "proxy"


def test_the_proxy_tells_textures_and_brightness_apart_by_degrees():
    def noise(strength, seed, brightness=0.0):
        return list((brightness + strength * RNG(seed).normal(size=(30, 32, 32))).clip(-1, 1).astype(np.float32))

    same, near, far, bright = (
        distance(noise(0.1, 0), other).fid
        for other in (noise(0.1, 1), noise(0.2, 1), noise(0.4, 1), noise(0.1, 1, brightness=0.5))
    )
    assert same < near < far
    assert same < bright / 10


def test_the_proxy_is_the_same_everywhere():
    features = ProxyFeatures()(torch.linspace(-1, 1, 1024).reshape(1, 1, 32, 32))
    assert features.shape == (1, 64)
    assert features[0, [0, 20, 40, 63]].tolist() == pytest.approx([0.1284, 1.0387, 1.5591, 0.0357], abs=1e-3)


def test_a_seed_of_the_caller_is_left_alone():
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    distance(gaussians(0, 1, 5, 0), gaussians(0, 1, 6, 0), Given())
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_graphics_card_sees_the_same(tmp_path):
    slices = [list(RNG(seed).uniform(-1, 1, (40, 64, 64)).astype(np.float32)) for seed in (0, 1)]
    there, here = (distance(*slices, ProxyFeatures(), device) for device in ("cuda", "cpu"))
    assert (there.fid, there.kid) == pytest.approx((here.fid, here.kid), rel=1e-3, abs=1e-6)
    torch.jit.script(Inceptionlike()).save(str(tmp_path / "inception.pt"))
    inception, some = InceptionFeatures(tmp_path / "inception.pt"), torch.rand(2, 1, 16, 16)
    torch.testing.assert_close(inception.to("cuda")(some.cuda()).cpu(), inception.to("cpu")(some))


def test_one_slice_is_no_distribution():
    with pytest.raises(ValueError, match="two slices"):
        distance([np.zeros((16, 16), np.float32)], [np.zeros((16, 16), np.float32)] * 2)


class Inceptionlike(torch.nn.Module):
    """Called as the published TorchScript is."""

    def forward(self, img: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        assert img.dtype == torch.uint8
        means = img.double().mean(dim=(2, 3))
        return means[:, :1].repeat(1, 2048) if return_features else means


def test_inception_comes_from_a_file_of_the_user(tmp_path):
    torch.jit.script(Inceptionlike()).save(str(tmp_path / "inception.pt"))
    features = InceptionFeatures(tmp_path / "inception.pt")
    found = features(torch.tensor([-1.0, 0.0, 1.0]).reshape(3, 1, 1, 1).expand(3, 1, 16, 16))
    assert found[:, 0].tolist() == [0, 128, 255]
    slices = [np.full((16, 16), x, np.float32) for x in (-0.5, 0.0, 0.5)]
    assert distance(slices, slices, features).extractor == "Inception"


@pytest.mark.parametrize("content", ["missing", "text", "weights", "other"])
def test_what_is_no_inception_is_refused(tmp_path, content):
    path = tmp_path / "inception.pt"
    if content == "text":
        path.write_text("no network")
    if content == "weights":
        torch.save({"layer": torch.zeros(3)}, path)
    if content == "other":
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))
    with pytest.raises(InputError, match="Inception"):
        InceptionFeatures(path)


def gland(centre, shape=(8, 24, 24), radius=6):
    _, j, i = np.indices(shape)
    return (j - centre[0]) ** 2 + (i - centre[1]) ** 2 < radius**2


def test_glands_that_look_alike_inside_and_dark():
    mr_gland, us_gland = gland((12, 12)), gland((11, 13))
    valid = np.ones(mr_gland.shape, bool)
    mr, us = np.where(mr_gland, -0.5, 0.5), np.where(us_gland, -0.5, 0.1)
    found = interiors(mr.astype(np.float32), us.astype(np.float32), mr_gland, us_gland, valid, (1.0, 1.0, 1.0))
    assert found.alike == pytest.approx(1.0)
    assert found.darker_mr > found.darker_us > 0.3
    flipped = interiors(-mr.astype(np.float32), us.astype(np.float32), mr_gland, us_gland, valid, (1.0, 1.0, 1.0))
    assert flipped.alike == pytest.approx(0.0)
    assert flipped.darker_mr == pytest.approx(-found.darker_mr, abs=1e-6)


def test_the_rim_is_3_mm_wide_on_both_sides():
    row = np.zeros((1, 1, 40), bool)
    row[..., 20:] = True
    assert np.flatnonzero(around(row, (1.0, 1.0, 1.0))).tolist() == [17, 18, 19, 20, 21, 22]
    assert np.flatnonzero(around(row, (3.0, 1.0, 1.0))).tolist() == [19, 20]


def test_a_gland_outside_of_what_is_real_cannot_be_judged():
    none = np.zeros((8, 24, 24), bool)
    with pytest.raises(ValueError, match="valid"):
        interiors(*[none.astype(np.float32)] * 2, gland((12, 12)), gland((12, 12)), none, (1.0, 1.0, 1.0))
