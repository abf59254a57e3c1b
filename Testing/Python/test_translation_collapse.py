"""The detectors: every way of failing is named, and a sound translation passes."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from MR2USProLib.translation.collapse import Health, Outcome, between_patients, examine, gap, sight
from MR2USProLib.translation.generator import Generator

SHAPE = (12, 40, 40)
VALID = np.ones(SHAPE, bool)
VALID[:, :6, :6] = False


def anatomy(seed: int) -> np.ndarray:
    """A smooth picture in [-1, 1] that differs from slice to slice."""
    field = gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), (1, 3, 3))
    return np.clip(field / field.std() / 2, -1, 1).astype(np.float32)


@pytest.fixture(scope="module")
def sources():
    tissue = anatomy(0)
    return tissue, (-tissue + 0.1 * anatomy(1)).astype(np.float32)


def judged(sources, mr, us, **figures) -> Health:
    return examine([Outcome(*sources, mr.astype(np.float32), us.astype(np.float32), VALID)], **figures)


def test_a_translation_that_brings_both_to_one_contrast_is_sound(sources):
    mr, us = sources
    health = judged(sources, gaussian_filter(mr, (0, 0.7, 0.7)), -gaussian_filter(us, (0, 0.7, 0.7)))
    assert health.reasons == ()
    assert not health.collapsed
    # Before, US = -MR: (2 MR)^2 over the variance is 4.
    assert health.gap_before == pytest.approx(4.0, abs=0.3)
    assert health.gap_after < 0.1
    assert min(health.edges_mr, health.edges_us) > 0.9


def test_a_constant_is_found(sources):
    flat = np.full(SHAPE, 0.2)
    health = judged(sources, flat, flat)
    assert any("constant" in reason for reason in health.reasons)


def test_one_picture_for_every_slice_is_found(sources):
    template = np.repeat(anatomy(7)[:1], SHAPE[0], axis=0)
    health = judged(sources, template, template)
    assert health.template == pytest.approx(1.0)
    assert sum("one picture" in reason for reason in health.reasons) == 2
    # A template closes the gap perfectly: that alone would have passed it.
    assert health.gap_after == pytest.approx(0.0)


def test_slices_that_are_alike_because_the_anatomy_is_are_no_template(sources):
    tube = np.repeat(anatomy(7)[:1], SHAPE[0], axis=0)
    health = examine([Outcome(tube, -tube, tube, tube, VALID)])
    assert health.template == pytest.approx(1.0)
    assert not health.collapsed


def test_a_checkerboard_is_found(sources):
    board = 0.5 * (-1.0) ** np.add.outer(np.arange(SHAPE[1]), np.arange(SHAPE[2]))
    health = judged(sources, sources[0] + board, sources[0] + board)
    assert health.grain_mr > 0.3
    assert health.streaks_mr < 1
    assert any("grainy" in reason for reason in health.reasons)


@pytest.mark.parametrize("axis", [1, 2])
def test_stripes_are_found_either_way_before_they_are_grain(sources, axis):
    wave = 0.12 * np.sin(np.arange(SHAPE[axis]) * 2 * np.pi / 4)
    stripes = wave[:, None] if axis == 1 else wave
    health = judged(sources, sources[0] + stripes, sources[0] + stripes)
    assert health.grain_mr < 0.1
    assert health.streaks_mr > 2
    assert sum("striped" in reason for reason in health.reasons) == 2
    assert not judged(sources, sources[0] + stripes, sources[0], unfinished=True).collapsed


def test_fine_detail_that_nobody_sees_is_no_stripe(sources):
    faint = 0.02 * np.sin(np.arange(SHAPE[2]) * 2 * np.pi / 4)
    smooth = [gaussian_filter(picture, (0, 3, 3)) for picture in sources]
    health = judged(sources, *(x + faint for x in smooth))
    assert health.streaks_mr > 2
    assert not any("striped" in reason for reason in health.reasons)


def test_stripes_that_the_source_has_are_no_fault(sources):
    wave = 0.12 * np.sin(np.arange(SHAPE[2]) * 2 * np.pi / 4)
    striped = [picture + wave for picture in sources]
    health = examine([Outcome(*(x.astype(np.float32) for x in (*striped, striped[0], -striped[1])), VALID)])
    assert health.streaks_mr > 2
    assert not any("striped" in reason for reason in health.reasons)


def test_a_blind_ruler_is_found(sources):
    health = judged(sources, sources[0], sources[0], ruler=0.1)
    assert any("blind" in reason for reason in health.reasons)


def test_a_translation_that_changes_nothing_is_found(sources):
    health = judged(sources, *sources)
    assert any("no more alike" in reason for reason in health.reasons)
    faint = judged(sources, sources[0] + 0.02 * anatomy(5), sources[1])
    assert any("no more alike" in reason for reason in faint.reasons)


def test_two_anatomies_that_do_not_lie_on_each_other_may_stay_apart():
    mr, us = anatomy(0), anatomy(1)
    found = examine([Outcome(mr, us, np.tanh(3 * mr), np.tanh(3 * us), VALID)])
    assert found.gap_before == pytest.approx(2.0, abs=0.3)
    assert found.gap_after > 0.9 * found.gap_before
    assert not found.collapsed


def test_lost_edges_are_found_for_the_modality_that_lost_them(sources):
    health = judged(sources, sources[0], anatomy(9))
    assert health.edges_mr == pytest.approx(1.0, abs=1e-4)
    assert next(reason for reason in health.reasons if "edges" in reason).startswith("The translated US")


def test_the_gap_of_unrelated_pictures_is_two():
    a, b = (np.random.default_rng(seed).normal(size=(8, 50, 50)).astype(np.float32) for seed in (0, 1))
    assert gap(a, b, np.ones(a.shape, bool)) == pytest.approx(2.0, abs=0.05)


def test_what_features_see_vanishes_when_they_are_blinded():
    torch.manual_seed(0)
    model = Generator(8, 1)
    picture = torch.from_numpy(anatomy(0))[:, None]
    valid = torch.from_numpy(VALID)[:, None]
    before = sight(model, picture, valid)
    assert before > 0.01
    with torch.no_grad():
        # A stem that answers only to differences between neighbours sees no anatomy through the 7x7 kernel.
        model.stem[0].weight.copy_(model.stem[0].weight * 0)
    assert sight(model, picture, valid) < 0.01 * before


def test_one_picture_for_every_patient_is_found_and_a_shared_look_is_none():
    patients = [(anatomy(2 * n), -anatomy(2 * n)) for n in range(3)]
    shared = anatomy(11)
    template = [Outcome(mr, us, shared, shared, VALID) for mr, us in patients]
    health = examine(template)
    assert health.between == pytest.approx(1.0, abs=1e-5)
    assert sum("every patient" in reason for reason in health.reasons) == 2
    # A common look of which each keeps its own edges is what a translation is for.
    own = [Outcome(mr, us, mr, mr, VALID) for mr, us in patients]
    health = examine(own)
    assert abs(health.between) < 0.3
    assert not health.collapsed


def test_patients_of_different_sizes_can_be_compared():
    one = anatomy(3)
    assert between_patients([one, np.repeat(one, 2, axis=1)], [VALID, np.repeat(VALID, 2, axis=1)]) > 0.99
    assert between_patients([one], [VALID]) == 0.0


def test_a_run_that_goes_on_need_not_have_closed_the_gap(sources):
    assert not judged(sources, *sources, unfinished=True).collapsed


def test_a_flipped_contrast_keeps_the_edges_but_not_their_sign(sources):
    health = judged(sources, -sources[0], sources[1])
    assert health.edges_mr == pytest.approx(1.0, abs=1e-3)
    assert health.signed_mr == pytest.approx(-1.0, abs=1e-3)
