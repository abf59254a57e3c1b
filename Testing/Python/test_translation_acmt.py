"""Translation of a whole pair: it closes the gap without collapsing, and says so when it collapses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from MR2USProLib.errors import Cancelled, InputError
from MR2USProLib.progress import Progress
from MR2USProLib.translation.acmt import AcmtSettings
from MR2USProLib.translation.losses import LossWeights
from MR2USProLib.translation.method import Networks
from MR2USProLib.translation.training import Schedule, translate_pair

SMALL = AcmtSettings(Networks(blocks=1))
HOW = {"settings": SMALL, "schedule": Schedule(200)}


def pair(shape=(8, 32, 32)):
    """A gland with a nodule: bright in the MR where it is dark in the speckled US, and the fan's valid part."""
    noise = np.random.default_rng(0)
    k, j, i = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    gland = (k / 1.2) ** 2 + (j / 0.6) ** 2 + (i / 0.75) ** 2 < 1
    nodule = (k / 0.9) ** 2 + ((j - 0.15) / 0.25) ** 2 + ((i - 0.25) / 0.3) ** 2 < 1
    mr = gaussian_filter(0.3 + 0.5 * gland - 0.3 * nodule, (0, 0.7, 0.7)) + 0.02 * noise.normal(size=shape)
    speckle = gaussian_filter(noise.normal(size=shape), (0, 0.6, 0.8))
    us = gaussian_filter(0.8 - 0.4 * gland - 0.2 * nodule, (0, 0.7, 0.7)) * np.exp(0.3 * speckle)
    valid = np.abs(i) < 1.2 + 0.5 * j
    return mr, us, valid


@pytest.fixture(scope="module")
def translation():
    return translate_pair(*pair(), **HOW, seed=1)


def test_a_short_fit_closes_the_gap_and_does_not_collapse(translation):
    """One such fit in ten trips an alarm, and another processor rounds as another seed does: two of three must not."""
    fits = [translation, *(translate_pair(*pair(), **HOW, seed=seed) for seed in (2, 3))]
    for fit in fits:
        assert fit.health.gap_before > 2
        assert fit.health.gap_after < 0.6 * fit.health.gap_before
    assert sum(fit.health.reasons == () for fit in fits) >= 2


def test_a_translation_lies_within_one_on_the_grid_of_its_sources(translation):
    _, _, valid = pair()
    for picture in (translation.mr, translation.us):
        assert picture.shape == valid.shape
        assert picture.dtype == np.float32
        assert np.abs(picture).max() <= 1
        assert picture[~valid] == pytest.approx(picture[valid].mean(), abs=1e-5)


def test_every_loss_is_kept_for_every_iteration(translation):
    assert {len(values) for values in translation.history.values()} == {200}
    assert {"bridge", "boundary", "texture", "edges", "variation", "loss"} <= set(translation.history)
    assert np.isfinite(list(translation.history.values())).all()


def test_the_same_seed_gives_the_same_pictures_and_nothing_else_random_is_touched():
    short = {**HOW, "schedule": Schedule(5)}
    state = torch.random.get_rng_state()
    one, two, other = (translate_pair(*pair(), **short, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.mr, two.mr)
    assert np.array_equal(one.us, two.us)
    assert one.history == two.history
    assert not np.array_equal(one.mr, other.mr)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_what_lies_outside_the_valid_part_changes_nothing():
    mr, us, valid = pair()
    short = {**HOW, "schedule": Schedule(3)}
    one = translate_pair(mr, us, valid, **short)
    two = translate_pair(np.where(valid, mr, np.nan), np.where(valid, us, -99), valid, **short)
    assert np.array_equal(one.mr, two.mr)
    assert one.history == two.history


def test_sizes_need_not_be_multiples_of_four():
    mr, us, valid = pair((3, 21, 26))
    assert translate_pair(mr, us, valid, settings=SMALL, schedule=Schedule(2)).us.shape == (3, 21, 26)


def test_bad_input_is_refused():
    mr, us, valid = pair()
    with pytest.raises(InputError, match="one grid"):
        translate_pair(mr[1:], us, valid)
    with pytest.raises(InputError, match="too small"):
        translate_pair(mr[:, :8], us[:, :8], valid[:, :8])
    with pytest.raises(InputError, match="constant"):
        translate_pair(mr, np.ones_like(us), valid)


def test_a_fit_can_be_cancelled():
    asked = []
    progress = Progress(cancelled=lambda: bool(asked.append(1)) or len(asked) > 3)
    with pytest.raises(Cancelled):
        translate_pair(*pair(), **HOW, progress=progress)
    assert len(asked) == 4


@pytest.mark.slow
def test_the_bare_paper_with_a_strong_texture_collapses_and_is_stopped():
    settings = replace(SMALL, strict_paper=True, weights=LossWeights(texture=100.0))
    found = translate_pair(*pair(), settings=settings, schedule=Schedule(300))
    assert found.health.collapsed
    assert found.stopped is not None
    assert found.stopped < 300
    assert len(found.history["loss"]) == found.stopped
