"""The bridge of the translation: its times, its Gaussian, its steps, its simulation with the model locked."""

import pytest
import torch

from MR2USProLib.translation.bridge import Bridge
from MR2USProLib.translation.generator import Generator


class Doubling(torch.nn.Module):
    """A predictor whose answer depends on the state and on the time: x_1 = 2 x + index."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(2.0))
        self.seen = []

    def forward(self, x, index, valid=None, generator=None):
        self.seen.append((index, self.training, torch.is_grad_enabled()))
        return self.weight * x + index


@pytest.mark.parametrize(
    ("steps", "times"),
    [
        (3, [0, 0.5, 0.8333, 1]),
        (5, [0, 0.5, 0.74, 0.86, 0.94, 1]),
        (10, [0, 0.5, 0.677, 0.765, 0.824, 0.868, 0.904, 0.933, 0.958, 0.980, 1]),
    ],
)
def test_the_pool_is_a_jump_to_one_half_and_then_harmonic_steps(steps, times):
    assert Bridge(steps).times == pytest.approx(times, abs=6e-4)


def test_a_bridge_of_one_step_has_its_two_ends():
    assert Bridge(1).times == (0.0, 1.0)


def test_between_two_states_lies_the_gaussian_of_equation_2():
    # w = (0.5 - 0.2) / (0.8 - 0.2) = 0.5; variance 0.5 * 0.5 * 0.04 * 0.6 = 0.006
    mean, variance = Bridge(sigma=0.04).conditional(torch.tensor(1.0), torch.tensor(3.0), 0.2, 0.5, 0.8)
    assert mean.item() == pytest.approx(2.0)
    assert variance == pytest.approx(0.006)
    # A quarter of the way: w = 0.25, mean 1.5, variance 0.25 * 0.75 * 0.04 * 0.6 = 0.0045
    mean, variance = Bridge(sigma=0.04).conditional(torch.tensor(1.0), torch.tensor(3.0), 0.2, 0.35, 0.8)
    assert mean.item() == pytest.approx(1.5)
    assert variance == pytest.approx(0.0045)


def test_both_ends_of_the_interval_are_certain():
    bridge = Bridge()
    for t, value in ((0.2, 1.0), (0.8, 3.0)):
        mean, variance = bridge.conditional(torch.tensor(1.0), torch.tensor(3.0), 0.2, t, 0.8)
        assert mean.item() == pytest.approx(value)
        assert variance == pytest.approx(0.0)


@pytest.mark.parametrize(("index", "deviation"), [(0, 0.0500), (1, 0.0353), (2, 0.0254), (3, 0.0185), (4, 0.0)])
def test_a_step_adds_noise_of_the_root_of_the_variance(index, deviation):
    bridge = Bridge(steps=5, sigma=0.01)
    zeros = torch.zeros(1, 1, 400, 400)
    stepped = bridge.step(zeros, zeros, index, torch.Generator().manual_seed(1))
    assert stepped.std().item() == pytest.approx(deviation, abs=2e-4)
    assert stepped.mean().item() == pytest.approx(0.0, abs=5e-4)


def test_noise_that_reaches_across_slices_keeps_its_variance():
    bridge, zeros = Bridge(steps=5, sigma=0.01), torch.zeros(12, 1, 100, 100)
    rough = bridge.step(zeros, zeros, 0, torch.Generator().manual_seed(1))
    smooth = bridge.step(zeros, zeros, 0, torch.Generator().manual_seed(1), 2.0)
    assert smooth.std().item() == pytest.approx(0.05, rel=0.01)
    # White noise differs from slice to slice by twice its variance, that of 2 slices' reach by 2 (1 - e^(-1/16)).
    assert (rough[1:] - rough[:-1]).var().item() == pytest.approx(2 * 0.0025, rel=0.02)
    assert (smooth[1:] - smooth[:-1]).var().item() == pytest.approx(
        0.0025 * 2 * (1 - 2.718281828 ** (-1 / 16)), rel=0.03
    )


@pytest.mark.parametrize("slices", [1, 2, 5])
def test_noise_that_reaches_beyond_all_slices_keeps_its_variance_too(slices):
    zeros = torch.zeros(slices, 1, 200, 200)
    smooth = Bridge(steps=5, sigma=0.01).step(zeros, zeros, 0, torch.Generator().manual_seed(1), 2.0)
    assert smooth.std().item() == pytest.approx(0.05, rel=0.02)


def test_two_sampled_halves_of_a_bridge_have_the_variance_of_the_whole():
    # Brownian bridge from 0 at t=0 to 0 at t=1, by way of t = 0.5: at 0.74 its variance must be 0.74 * 0.26 * sigma.
    bridge = Bridge(steps=5, sigma=1.0)
    generator = torch.Generator().manual_seed(2)
    zeros = torch.zeros(1, 1, 500, 500)
    x = bridge.step(bridge.step(zeros, zeros, 0, generator), zeros, 1, generator)
    assert x.var().item() == pytest.approx(0.74 * 0.26, rel=0.01)


def test_the_simulation_is_the_chain_of_algorithm_1():
    bridge, model = Bridge(steps=5, sigma=0.01), Doubling()
    x_0 = torch.full((1, 1, 2, 2), 0.5)
    x_t = bridge.simulate(model, x_0, 2, torch.Generator().manual_seed(3))

    noise = torch.Generator().manual_seed(3)
    draw = [torch.randn(1, 1, 2, 2, generator=noise) for _ in range(2)]
    # From 0 to 0.5: w = 0.5, x_1 = 2 * 0.5 + 0 = 1, variance 0.5 * 0.5 * 1 * 0.01.
    x = 0.5 * 1.0 + 0.5 * x_0 + 0.05 * draw[0]
    # From 0.5 to 0.74: w = 0.48, x_1 = 2 x + 1, variance 0.48 * 0.52 * 0.5 * 0.01.
    x = 0.48 * (2 * x + 1) + 0.52 * x + (0.48 * 0.52 * 0.5 * 0.01) ** 0.5 * draw[1]
    torch.testing.assert_close(x_t, x)


def test_the_model_is_locked_while_it_simulates_and_put_back_afterwards():
    model = Doubling().train()
    x_0 = torch.zeros(1, 1, 4, 4, requires_grad=True)
    x_t = Bridge(5).simulate(model, x_0, 3, torch.Generator())
    assert model.seen == [(0, False, False), (1, False, False), (2, False, False)]
    assert not x_t.requires_grad
    assert model.weight.grad is None
    assert model.training
    model.eval()
    Bridge(5).simulate(model, x_0, 1)
    assert not model.training


def test_the_model_is_put_back_when_it_fails():
    class Failing(Doubling):
        def forward(self, x, index, valid=None, generator=None):
            raise RuntimeError

    model = Failing().train()
    with pytest.raises(RuntimeError):
        Bridge(5).simulate(model, torch.zeros(1, 1, 2, 2), 1)
    assert model.training


def test_all_steps_without_noise_end_on_the_last_prediction():
    model = Doubling()
    ended = Bridge(5).simulate(model, torch.full((1, 1, 2, 2), 0.1), 5)
    before = Bridge(5).simulate(model, torch.full((1, 1, 2, 2), 0.1), 4)
    torch.testing.assert_close(ended, 2 * before + 4)


def test_the_source_is_the_state_at_time_0():
    x_0 = torch.rand(1, 1, 4, 4)
    assert torch.equal(Bridge(5).simulate(Doubling(), x_0, 0, torch.Generator()), x_0)


def test_what_lies_outside_the_valid_part_does_not_reach_the_inside():
    torch.manual_seed(0)
    model = Generator(8, 1)
    valid = torch.zeros(3, 1, 16, 16, dtype=torch.bool)
    valid[..., 3:13, 3:13] = True
    x_0 = torch.rand(3, 1, 16, 16)
    other = torch.where(valid, x_0, torch.full_like(x_0, float("nan")))
    one, two = (Bridge(3).simulate(model, x, 3, None, valid) for x in (x_0, other))
    assert torch.equal(one[valid], two[valid])
