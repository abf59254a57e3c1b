"""One trainer for every method, one pair as well as many: it goes on where it was, and what it learned can be kept."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from MR2USProLib.errors import Cancelled, InputError
from MR2USProLib.progress import Progress
from MR2USProLib.translation.acmt import AcmtSettings
from MR2USProLib.translation.bridge import Bridge
from MR2USProLib.translation.cohort import COHORT, Example, draw, prepare
from MR2USProLib.translation.critic import PatchCritic
from MR2USProLib.translation.method import PUBLISHED, Networks
from MR2USProLib.translation.pmt import PmtSettings
from MR2USProLib.translation.training import Run, Schedule, method_of, published, train
from MR2USProLib.translation.translating import translate_with
from MR2USProLib.translation.unsb import UnsbSettings
from MR2USProLib.weights import Part, Weights, read_weights, write_weights

TINY = Networks(channels=4, blocks=1, critic_channels=4, contrast_size=8, contrast_positions=16)
SETTINGS = {
    "acmt": AcmtSettings(TINY, Bridge(2)),
    "pmt": PmtSettings(TINY, Bridge(2)),
    "unsb": UnsbSettings(TINY, Bridge(2)),
}
METHODS = pytest.mark.parametrize("method", SETTINGS)


def patient(seed: int, shape=(4, 20, 24)) -> Example:
    """Smooth tissue, dark in the US where it is bright in the MR."""
    tissue = gaussian_filter(np.random.default_rng(seed).normal(size=shape), (1, 3, 3))
    valid = np.ones(shape, bool)
    valid[:, :4, :4] = False
    return Example(100 * tissue, -(tissue**3), valid)


def learned(method: str, iterations: int = 4, **how):
    schedule = Schedule(iterations, slices=2, augmentation=COHORT)
    return train(method, [patient(0), patient(1)], settings=SETTINGS[method], schedule=schedule, **how)


def same(one: Part, other: Part) -> bool:
    return all(torch.equal(x, other.tensors[name]) for name, x in one.tensors.items())


@METHODS
def test_a_training_depends_on_its_seed_alone(method):
    state = torch.random.get_rng_state()
    one, two, other = (learned(method, seed=seed) for seed in (1, 1, 2))
    assert same(one.part(), two.part())
    assert not same(one.part(), other.part())
    assert {len(values) for values in one.history.values()} == {4}
    assert np.isfinite(list(one.history.values())).all()
    assert torch.equal(torch.random.get_rng_state(), state)


@METHODS
def test_every_network_learns(method):
    torch.manual_seed(0)
    before = {
        player: [p.clone() for p in network.parameters()]
        for player, network in method_of(method, SETTINGS[method]).players().items()
    }
    torch.manual_seed(0)
    fresh = method_of(method, SETTINGS[method])
    schedule = Schedule(1, slices=2)
    pairs = [prepare(patient(0))]
    run = Run(fresh, pairs, schedule, 0)
    run.iterate()
    for player, network in fresh.players().items():
        assert any(not torch.equal(a, b) for a, b in zip(before[player], network.parameters(), strict=True)), player


@METHODS
def test_a_training_that_was_interrupted_ends_as_if_it_had_not_been(method, tmp_path):
    whole = learned(method, 6)
    asked = []
    cancel = Progress(cancelled=lambda: bool(asked.append(1)) or len(asked) > 3)
    with pytest.raises(Cancelled):
        learned(method, 6, checkpoint=tmp_path / "run.pt", progress=cancel)
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]
    continued = learned(method, 6, checkpoint=tmp_path / "run.pt")
    assert same(whole.part(), continued.part())
    assert whole.history == continued.history


def test_the_checkpoint_of_another_training_is_refused(tmp_path):
    cancel = Progress(cancelled=lambda: True)
    with pytest.raises(Cancelled):
        learned("acmt", checkpoint=tmp_path / "run.pt", progress=cancel)
    with pytest.raises(InputError, match="other settings"):
        learned("unsb", checkpoint=tmp_path / "run.pt")
    (tmp_path / "run.pt").write_text("not one")
    with pytest.raises(InputError, match="no training"):
        learned("acmt", checkpoint=tmp_path / "run.pt")


@METHODS
def test_what_was_learned_is_kept_and_translates_another_pair(method, tmp_path):
    trained = learned(method)
    write_weights(tmp_path / "w.safetensors", Weights({"translation": trained.part()}))
    part = read_weights(tmp_path / "w.safetensors").part("translation", method)
    case = patient(7, (5, 22, 30))
    found = translate_with(part, case.mr, case.us, case.valid)
    again = translate_with(trained.part(), case.mr, case.us, case.valid)
    assert np.array_equal(found.mr, again.mr)
    assert found.mr.shape == found.us.shape == (5, 22, 30)
    assert np.abs(found.mr).max() <= 1
    kept = np.abs(found.us - np.asarray(prepare(case).us[:, 0, :22, :30])).max() < 1e-6
    assert kept == (method == "unsb")  # which takes the MR to the US, and leaves the US as it is


@METHODS
def test_a_random_translation_is_the_seeds(method):
    case, part = patient(7), learned(method).part()
    mean, one, two, other = (
        translate_with(part, case.mr, case.us, case.valid, seed=seed).mr for seed in (None, 1, 1, 2)
    )
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, mean)


def test_a_network_trained_before_is_gone_on_from():
    first = learned("acmt", 4).part()
    frozen = train("acmt", [patient(3)], settings=SETTINGS["acmt"], schedule=Schedule(1, learning_rate=0), start=first)
    assert same(first, frozen.part())
    with pytest.raises(InputError, match="another size"):
        train("acmt", [patient(3)], settings=AcmtSettings(), start=first)
    with pytest.raises(InputError, match="not pmt's"):
        train("pmt", [patient(3)], settings=SETTINGS["pmt"], start=first)


def test_weights_that_hold_no_such_network_are_refused():
    case, part = patient(0), learned("acmt", 1).part()
    for settings in ({}, {**part.settings, "generator": {"channels": 8}}, {**part.settings, "more": 1}):
        with pytest.raises(InputError, match="do not fit"):
            translate_with(Part("acmt", settings, part.tensors), case.mr, case.us, case.valid)


def test_low_precision_and_saved_memory_change_the_result_little():
    plain, saving = (
        train("acmt", [patient(0)], settings=SETTINGS["acmt"], schedule=Schedule(2, slices=2, frugal=frugal))
        for frugal in (False, True)
    )
    assert plain.history["loss"] == pytest.approx(saving.history["loss"], rel=1e-5)
    mixed = train("acmt", [patient(0)], settings=SETTINGS["acmt"], schedule=Schedule(2, slices=2, mixed=True))
    assert mixed.history["loss"] != plain.history["loss"]
    assert mixed.history["loss"] == pytest.approx(plain.history["loss"], rel=0.05)


def test_a_cohort_without_pairs_is_refused():
    with pytest.raises(InputError, match="no pair"):
        train("acmt", [])


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_published_schedule_is_long_and_saves_precision_on_a_graphics_card_only(device):
    settings, schedule = published("pmt", device)
    assert settings == PmtSettings(networks=PUBLISHED)
    assert (schedule.iterations, schedule.learning_rate, schedule.mixed) == (32_000, 2e-4, device == "cuda")


def test_a_long_run_of_unsb_weighs_its_losses_as_published():
    settings, _ = published("unsb", "cpu")
    assert settings == UnsbSettings(networks=PUBLISHED, bridge_weight=1.0, adversarial=1.0, contrast=1.0)


def test_the_discriminator_has_its_published_size():
    size = PUBLISHED
    critic = PatchCritic(1, size.critic_channels, size.critic_halvings)
    assert sum(p.numel() for p in critic.parameters()) / 1e6 == pytest.approx(3.14, abs=0.005)
    with torch.no_grad():
        assert critic(torch.zeros(1, 1, 256, 256), 0).shape[-2:] == (30, 30)


def test_augmentation_varies_mr_us_and_mask_alike():
    tissue = np.random.default_rng(0).normal(size=(4, 20, 24))
    valid = tissue > -1
    pair = prepare(Example(tissue, 2 * tissue + 5, valid))
    rng = torch.Generator().manual_seed(3)
    seen = set()
    for _ in range(30):
        batch = draw([pair], 3, COHORT, rng)
        seen.add((batch.flipped, batch.transposed))
        assert batch.mr.shape == ((3, 1, 24, 20) if batch.transposed else (3, 1, 20, 24))
        inside = batch.valid
        # A monotone bend of the grey levels keeps their order.
        ranks = [torch.argsort(torch.argsort(x[inside])).float() for x in (batch.mr, batch.us)]
        assert torch.corrcoef(torch.stack(ranks))[0, 1] > 0.99
    assert len(seen) > 8


@METHODS
def test_a_training_that_diverged_is_no_sound_one(method):
    """Its weights are no numbers, and so is whatever is measured of its pictures."""
    schedule = Schedule(3, slices=2, learning_rate=1e25, augmentation=COHORT)
    trained = train(method, [patient(0)], settings=SETTINGS[method], schedule=schedule)
    assert not all(tensor.isfinite().all() for tensor in trained.part().tensors.values())
    case = patient(0)
    found = translate_with(trained.part(), case.mr, case.us, case.valid)
    assert np.isfinite(found.mr).all()
    for health in (trained.health, found.health):
        assert "The translated MR is all but constant" in " ".join(health.reasons)
        figures = [value for value in asdict(health).values() if isinstance(value, float)]
        assert np.isfinite(figures).all()


@METHODS
def test_slices_that_show_nothing_neither_teach_nor_are_looked_at(method):
    case = patient(0, (40, 20, 24))
    case.valid[4:] = False
    own = Example(case.mr[:4], case.us[:4], case.valid[:4])
    schedule = Schedule(3, slices=2)
    part, whole = (train(method, [pair], settings=SETTINGS[method], schedule=schedule) for pair in (own, case))
    assert whole.history == part.history
    assert whole.health == part.health
    assert whole.health.ruler > 0.5
