"""The deep image prior on volumes small enough to be fitted in seconds."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from MR2USProLib.errors import Cancelled, InputError  # noqa: E402
from MR2USProLib.progress import Progress  # noqa: E402
from MR2USProLib.reconstruction.deep_image_prior import (  # noqa: E402
    DeepImagePrior,
    SkipNetwork,
    _context,
    fill_dip,
)
from MR2USProLib.reconstruction.filling import fill_linear, fill_volume, psnr_db  # noqa: E402

SHAPE = (32, 32, 32)
SMALL = DeepImagePrior(steps=150, channels=(12, 16, 16), patch_px=32)
INSIDE = np.add.outer((np.arange(32) - 16) ** 2, (np.arange(32) - 16) ** 2) < 15**2


def tubes():
    """Bright oblique tubes: they move by a voxel from plane to plane, which linear interpolation smears."""
    k, j, i = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in SHAPE), indexing="ij")
    wave = np.sin(0.6 * (i - 0.9 * k)) * np.cos(0.35 * j)
    return (127 + 100 * np.tanh(2 * wave)).astype(np.float32)


def sweep():
    measured = np.zeros(SHAPE, bool)
    measured[[0, 1, 2, 4, 5, 7, 8, 9, 12, 13, 15, 16, 17, 20, 21, 23, 24, 26, 27, 28, 31]] = True
    return measured & INSIDE


@pytest.fixture(scope="module")
def filled():
    truth, measured = tubes(), sweep()
    return fill_dip(np.where(measured, truth, 0), measured, INSIDE, settings=SMALL, held_out=(8, 16, 24), seed=1)


def test_missing_planes_come_back_better_than_by_interpolation(filled):
    truth, measured = tubes(), sweep()
    missing = np.broadcast_to(INSIDE, SHAPE) & ~measured
    linear = psnr_db(fill_linear(truth, measured, INSIDE), truth, missing)
    dip = psnr_db(filled.values, truth, missing)
    assert dip > 23
    assert dip > linear + 0.5


def test_measured_voxels_stay_and_the_fan_bounds_the_volume(filled):
    truth, measured = tubes(), sweep()
    np.testing.assert_array_equal(filled.values[measured], truth[measured])
    assert not filled.values[:, ~INSIDE].any()
    assert filled.values.dtype == np.float32
    assert filled.values.min() >= 0
    assert filled.values.max() <= 255


def test_the_fit_improves_on_planes_it_never_sees(filled):
    curve = filled.held_out_psnr_db
    assert len(curve) == 11
    assert filled.steps == round(SMALL.steps * int(np.argmax(curve)) / 10)
    assert max(curve) > curve[0] + 1


def test_the_network_starts_from_linear_interpolation(filled):
    truth, seen = tubes(), sweep()
    seen[[8, 16, 24]] = False
    hidden = sweep() & ~seen
    assert filled.held_out_psnr_db[0] == pytest.approx(
        psnr_db(fill_linear(truth, seen, INSIDE), truth, hidden), abs=1e-3
    )


def test_the_prior_alone_never_copies_a_plane(filled):
    truth, measured = tubes(), sweep()
    assert psnr_db(filled.prior, truth, measured) < 40
    assert psnr_db(filled.prior, truth, measured) > 15


def test_the_context_of_a_plane_does_not_see_that_plane():
    grey, known = np.random.default_rng(0).random(SHAPE).astype(np.float32), sweep()
    other, unknown = grey.copy(), known.copy()
    other[8], unknown[8] = 0.5, False
    for ours, theirs in zip(_context(grey, known, [8]), _context(other, unknown, [8]), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_context_by_hand():
    known = np.zeros((9, 1, 1), bool)
    known[[1, 2, 6]] = True
    grey = np.zeros((9, 1, 1), np.float32)
    grey[[1, 2, 6], 0, 0] = [0.1, 0.2, 0.6]
    context, guess, width = _context(grey, known, [4, 8, 0])
    # Plane 4: before it 2 and 1, after it 6 only, which stands in for the second; 4 lies half way.
    np.testing.assert_allclose(
        context[0, :, 0, 0], [0.4, -0.3, -0.2, 0.2, 0.2, 3 / 12, 2 / 12, 2 / 12, 2 / 12], atol=1e-6
    )
    np.testing.assert_allclose(guess.ravel(), [0.4, 0.6, 0.1], atol=1e-6)
    np.testing.assert_array_equal(width.ravel(), [4, 4, 2])


def test_same_seed_same_volume():
    truth, measured = tubes(), sweep()
    few = DeepImagePrior(steps=6, channels=(4, 8), patch_px=16)
    state = torch.random.get_rng_state()
    first, again, other = (fill_dip(truth, measured, INSIDE, settings=few, seed=seed).values for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("when", [0.0, 0.3, 0.97])
def test_a_cancel_is_heard_at_the_next_step(when):
    heard = []

    def listen(stage, fraction, message):
        heard.append(fraction)

    progress = Progress(listen, cancelled=lambda: bool(heard) and heard[-1] >= when)
    few = DeepImagePrior(steps=20, channels=(4, 8), patch_px=16)
    with pytest.raises(Cancelled):
        fill_dip(tubes(), sweep(), INSIDE, settings=few, progress=progress)
    assert sum(fraction >= when for fraction in heard) == 1


def test_too_few_planes_are_refused():
    measured = np.zeros(SHAPE, bool)
    measured[[3, 9, 20]] = True
    with pytest.raises(InputError, match="needs at least 8 of them, not 3"):
        fill_volume(tubes(), measured, INSIDE, method="dip")
    with pytest.raises(InputError, match="at least three measured planes"):
        fill_dip(tubes(), measured, INSIDE, held_out=(9,))


def test_any_size_passes_the_network():
    network = SkipNetwork(9, (4, 6, 8))
    for size in ((1, 1), (7, 13), (32, 32)):
        assert network(torch.zeros(2, 9, *size) + 0.1).shape == (2, 1, *size)
