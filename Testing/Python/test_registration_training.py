"""The trainer: cohorts, weights to start from, trainings that are interrupted, and what graphics cards are given."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from MR2USProLib.checkpoint import write_checkpoint
from MR2USProLib.errors import Cancelled, InputError
from MR2USProLib.evaluation.metrics import folding
from MR2USProLib.progress import Progress
from MR2USProLib.registration import losses
from MR2USProLib.registration.acceleration import Acceleration
from MR2USProLib.registration.anatomy_aware import INCOMPRESSIBLE, AnatomyAware, AnatomyAwareSettings
from MR2USProLib.registration.fitting import register_pair
from MR2USProLib.registration.fsdiffreg import FSDiffReg
from MR2USProLib.registration.methods import METHODS
from MR2USProLib.registration.pair import Images
from MR2USProLib.registration.training import register_with, train
from MR2USProLib.registration.uncertainty import PRIOR_MM, looseness_mm, spread_mm
from MR2USProLib.registration.voxelmorph import VoxelMorph, VoxelMorphSettings
from MR2USProLib.volume import Grid, Volume
from MR2USProLib.weights import Weights, read_weights, write_weights
from registration_pair import INNER, SHAPE, error, fit, pulled, shifted, texture

SMALL = AnatomyAwareSettings(iterations=6, channels=(4, 8))


def small(**changes):
    return AnatomyAware(replace(SMALL, **changes))


@pytest.fixture(scope="module")
def cohort():
    """Three pairs with shifts and spacings of their own."""
    shifts, sizes = ((1.5, 0, 0), (0, -1.5, 0), (0, 0, 1.0)), ((1, 1, 1), (1, 1.2, 2), (0.8, 1, 1.5))
    return [shifted(s, n, size)[0] for n, (s, size) in enumerate(zip(shifts, sizes, strict=True))]


def same(one, other):
    pairs = zip(one.network.state_dict().items(), other.network.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for (_, a), b in pairs)


def cancelling_after(steps):
    seen = []
    return Progress(lambda *told: seen.append(told), lambda: len(seen) >= steps)


@pytest.mark.parametrize("method", [small(iterations=7), VoxelMorph(VoxelMorphSettings(iterations=7))])
def test_a_training_goes_on_bit_by_bit(method, cohort, tmp_path):
    whole = train(method, cohort, seed=3)
    kept = tmp_path / "kept" / "training.checkpoint"
    for steps in (2, 5):  # each run counts the steps that lie behind it too
        with pytest.raises(Cancelled):
            train(method, cohort, seed=3, checkpoint=kept, progress=cancelling_after(steps))
    torch.manual_seed(99)
    resumed = train(method, cohort, seed=3, checkpoint=kept)
    assert same(resumed, whole)
    assert resumed.history == whole.history
    assert not same(train(method, cohort, seed=4), whole)
    again = train(method, cohort, seed=3, checkpoint=kept)  # nothing is left to be done
    assert same(again, whole)
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_a_training_that_is_broken_off_within_a_step_goes_on_bit_by_bit(cohort, tmp_path):
    """Ctrl-C comes whenever it comes: here when the weights have moved, but the step has not been counted yet."""
    method, steps = small(iterations=4), []

    def interrupted(field):
        steps.append(field)
        if len(steps) == 2:
            raise KeyboardInterrupt

    whole = train(method, cohort, seed=3)
    kept = tmp_path / "training.checkpoint"
    with pytest.raises(KeyboardInterrupt):
        train(method, cohort, seed=3, checkpoint=kept, on_field=interrupted)
    resumed = train(method, cohort, seed=3, checkpoint=kept)
    assert same(resumed, whole)
    assert resumed.history == whole.history


def test_a_checkpoint_of_another_training_is_refused(cohort, tmp_path):
    kept = tmp_path / "training.checkpoint"
    train(small(iterations=2), cohort, checkpoint=kept)
    others = [(small(iterations=3), cohort, 0), (small(iterations=2), cohort[:2], 0), (small(iterations=2), cohort, 1)]
    for method, pairs, seed in others:
        with pytest.raises(InputError, match="other settings or pairs: remove it"):
            train(method, pairs, checkpoint=kept, seed=seed)
    kept.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="holds no training"):
        train(small(iterations=2), cohort, checkpoint=kept)
    assert kept.read_bytes() == b"nothing of the kind"


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(cohort, tmp_path):
    kept = tmp_path / "training.checkpoint"
    train(small(iterations=1), cohort, checkpoint=kept)
    before = kept.read_bytes()
    with pytest.raises((AttributeError, pickle.PicklingError)):
        write_checkpoint(kept, 2, {}, {"what no file can hold": lambda: None}, {})
    assert kept.read_bytes() == before
    assert list(tmp_path.iterdir()) == [kept]
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is not a folder"):
        write_checkpoint(tmp_path / "file" / "training.checkpoint", 2, {}, {}, {})


def test_a_checkpoint_runs_no_code(cohort, tmp_path):
    ran = tmp_path / "ran"

    class Bad:
        def __reduce__(self):
            return (ran.touch, ())

    torch.save({"training": Bad(), "done": 0}, tmp_path / "training.checkpoint")
    with pytest.raises(InputError, match="holds no training"):
        train(small(iterations=2), cohort, checkpoint=tmp_path / "training.checkpoint")
    assert not ran.exists()


def test_a_cohort_teaches_what_one_pair_asks_for():
    """Trained on pairs with one shift, the network knows it on a pair that it never saw."""
    taught = [shifted((2.0, 0.0, 0.0), seed)[0] for seed in range(3)]
    unseen, truth = shifted((2.0, 0.0, 0.0), 10)
    method = small(iterations=50, flips=False, blurs_voxels=(2.0, 1.0))
    found = register_with(train(method, taught), unseen)
    assert error(found.displacement, truth) < 0.5 * error(0 * truth, truth)


def test_pairs_are_mirrored_together_and_one_pair_never(cohort):
    seen = []

    class Watched(VoxelMorph):
        def losses(self, network, batch):
            seen.append(batch)
            return super().losses(network, batch)

    train(Watched(VoxelMorphSettings(iterations=6, batch=2)), cohort)
    mirrored = set()
    for batch in seen:
        for n in range(2):
            for images in cohort:
                for axes in [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]:
                    if np.array_equal(batch.fixed[n, 0].numpy(), np.flip(images.fixed, axes)):
                        np.testing.assert_array_equal(batch.moving[n, 0].numpy(), np.flip(images.moving, axes))
                        np.testing.assert_array_equal(
                            batch.compared["moving"][n, 0].numpy(), np.flip(images.moving, axes)
                        )
                        np.testing.assert_allclose(batch.spacing_mm[n].numpy(), images.spacing_mm)
                        mirrored.add(axes)
    assert len(mirrored) > 3
    seen.clear()
    train(Watched(VoxelMorphSettings(iterations=3, batch=2)), cohort[:1])
    assert all(np.array_equal(batch.fixed[1, 0].numpy(), cohort[0].fixed) for batch in seen)


def test_cohorts_that_are_none_are_refused(cohort):
    with pytest.raises(InputError, match="There are no pairs"):
        train(small(), [])
    other = Images(*(np.zeros((8, 16, 16), np.float32),) * 2, np.ones((8, 16, 16), bool), (1, 1, 1))
    with pytest.raises(InputError, match="different shapes"):
        train(small(), [*cohort, other])


@pytest.mark.parametrize("name", METHODS)
def test_weights_go_to_a_file_and_come_back(name, cohort, tmp_path):
    method = METHODS[name]()
    method = type(method)(replace(method.settings, iterations=1))
    trained = train(method, cohort[:1])
    write_weights(tmp_path / "weights.safetensors", Weights({"registration": trained.part()}))
    part = read_weights(tmp_path / "weights.safetensors").part("registration", name)
    found = register_with(part, cohort[1])
    expected = register_with(trained, cohort[1])
    np.testing.assert_array_equal(found.displacement, expected.displacement)
    assert np.abs(expected.displacement).max() > 0


def test_weights_of_another_version_are_refused(cohort):
    part = train(small(iterations=1), cohort[:1]).part()
    with pytest.raises(InputError, match="another version"):
        register_with(replace(part, settings={**part.settings, "petals": 5}), cohort[0])
    with pytest.raises(InputError, match="another version"):
        register_with(replace(part, settings={**part.settings, "channels": [8, 8]}), cohort[0])


def test_refining_begins_where_the_weights_are(cohort):
    images, truth = shifted((2.0, 0.0, 0.0))
    part = train(small(iterations=40), [images]).part()
    as_it_is = register_pair(images, "anatomy-aware", part, refine=False)
    refined = register_pair(images, "anatomy-aware", part)
    before, there, after = (error(u, truth) for u in (0 * truth, as_it_is.displacement, refined.displacement))
    assert as_it_is.history == {}
    assert there < before
    assert after < 1.2 * there
    assert len(refined.history["total"]) == 30
    fresh = fit(small(iterations=1), images)
    assert refined.history["similarity"][0] < fresh.history["similarity"][0]


def test_options_without_meaning_are_refused(cohort):
    with pytest.raises(InputError, match="--weights, or drop --no-refine"):
        register_pair(cohort[0], "voxelmorph", refine=False)
    with pytest.raises(InputError, match="drop --incompressible"):
        register_pair(cohort[0], "voxelmorph", incompressible=True)


def test_holding_the_volume_holds_it():
    axes = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in reversed(SHAPE)), indexing="ij")
    swollen = 0.2 * np.stack(axes, axis=-1).transpose(2, 1, 0, 3)  # everything at 1.2 times its place
    moving = texture()
    images = Images(moving, pulled(moving, swollen).astype(np.float32), np.ones(SHAPE, bool), (1.0, 1.0, 1.0))
    changes = []
    for weight in (0.0, INCOMPRESSIBLE):
        method = small(iterations=40, lambda_volume=weight, lambda_smooth=0.5, blurs_voxels=(1.0,))
        found = fit(method, images).displacement
        assert folding(Volume(found, Grid(SHAPE))).fraction == 0
        field = torch.from_numpy(found[INNER]).permute(3, 0, 1, 2)[None]
        changes.append(losses.volume_change(field).sqrt().item())
    free, held = changes
    assert free > 0.1
    assert held < 0.6 * free


def test_volume_change_of_known_fields():
    k, j, i = torch.meshgrid(*[torch.arange(6.0)] * 3, indexing="ij")
    still = torch.zeros_like(i)

    def change(*field):
        return losses.volume_change(torch.stack(field)[None]).item()

    assert change(0.2 * i, 0.2 * j, 0.2 * k) == pytest.approx((3 * np.log(1.2)) ** 2, rel=1e-4)
    assert change(0.25 * i, -0.2 * j, still) == pytest.approx(0, abs=1e-8)  # 1.25 * 0.8
    assert change(0.7 * j + 3, still, still) == pytest.approx(0, abs=1e-8)


def test_blocks_that_are_made_again_give_the_same_gradient(cohort):
    def gradient(recompute):
        torch.manual_seed(0)
        method = FSDiffReg()
        network = Acceleration("cpu", recompute=recompute).place(method.network(), method)
        x = torch.rand(2, 1, 8, 8, 8)
        network(x, x, x, torch.tensor([0, 5])).score.square().mean().backward()
        return network.encoder.stem.weight.grad

    torch.testing.assert_close(gradient(True), gradient(False))


def test_half_precision_stays_inside_the_network():
    torch.manual_seed(0)
    method = small()
    accelerated = Acceleration("cpu", dtype=torch.bfloat16)
    network = accelerated.place(method.network(), method)
    x = torch.rand(2, 1, 8, 8, 8)
    found = accelerated.call(network)(x, x, x, torch.tensor([0, 5]))
    full = network(x, x, x, torch.tensor([0, 5]))
    assert found.score.dtype == found.velocity.dtype == torch.float32
    assert 0 < (found.score - full.score).abs().max() < 0.1


def test_uncertainty_is_in_mm_and_knows_its_seed():
    images, _ = shifted()
    trained = train(small(iterations=15), [images])
    one, again, other = (spread_mm(trained, images, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0
    assert one.shape == SHAPE
    assert one.dtype == np.float32
    assert one[INNER].min() > 0
    doubled = replace(images, spacing_mm=tuple(2 * s for s in images.spacing_mm))
    np.testing.assert_allclose(spread_mm(trained, doubled), 2 * one, rtol=1e-5)


def test_pictures_hold_a_field_across_edges_and_where_there_is_texture():
    def looseness(picture, spacing=(1.0, 1.0, 1.0)):
        images = Images(picture, picture, np.ones(picture.shape, bool), spacing)
        return looseness_mm(images, np.zeros((*picture.shape, 3), np.float32))

    free = np.sqrt(3) * PRIOR_MM
    np.testing.assert_allclose(looseness(np.full(SHAPE, 0.3, np.float32)), free, rtol=1e-5)
    waves = np.broadcast_to(np.sin(np.arange(16) / 2), SHAPE).astype(np.float32)  # along i only
    np.testing.assert_allclose(looseness(waves)[INNER], np.sqrt(2) * PRIOR_MM, rtol=0.01)
    half = texture(shape=(16, 16, 40))
    half[..., 20:] = half[..., 19:20].mean()
    found = looseness(half)
    assert found[4:-4, 4:-4, 4:14].max() < 0.3
    assert found[4:-4, 4:-4, 28:].min() > 0.9 * free


class AlongOneAxis(AnatomyAware):
    """The network's displacement, of which a single component is left."""

    def __init__(self, settings, axis):
        super().__init__(settings)
        self.axis = axis

    def displacement(self, *given):
        return super().displacement(*given) * (torch.arange(3) == self.axis).view(1, 3, 1, 1, 1)


@pytest.mark.parametrize("axis", range(3))
def test_a_spread_along_an_axis_is_measured_by_the_voxels_along_it(axis):
    images, _ = shifted(spacing_mm=(1.0, 1.0, 1.0))
    trained = replace(train(small(iterations=3), [images]), method=AlongOneAxis(SMALL, axis))
    spacing = (2.0, 3.0, 5.0)
    one, other = (spread_mm(trained, replace(images, spacing_mm=s)) for s in ((1.0, 1.0, 1.0), spacing))
    assert one[INNER].min() > 0
    np.testing.assert_allclose(other, spacing[axis] * one, rtol=1e-4)


@pytest.mark.parametrize("axis", range(3))
def test_the_slope_of_a_picture_is_measured_by_the_voxels_along_it(axis):
    """A ramp holds the field along its own axis alone, by the square of its slope in mm."""
    ramp = np.moveaxis(np.broadcast_to(np.linspace(-1, 1, 16), SHAPE), 2, 2 - axis)
    noise = 0.3 * np.random.default_rng(0).standard_normal(SHAPE)

    def held(spacing_mm):
        images = Images(ramp.astype(np.float32), (ramp + noise).astype(np.float32), np.ones(SHAPE, bool), spacing_mm)
        variance = np.square(looseness_mm(images, np.zeros((*SHAPE, 3), np.float32)), dtype=np.float64)
        return 1 / (variance[INNER] - 2 * PRIOR_MM**2) - 1 / PRIOR_MM**2

    one, other, spacing = held((1.0, 1.0, 1.0)), held((1.5, 2.0, 3.0)), (1.5, 2.0, 3.0)
    assert one.min() > 1 / PRIOR_MM**2
    np.testing.assert_allclose(other, one / spacing[axis] ** 2, rtol=1e-3)


def test_a_field_is_held_by_what_it_brings_there():
    shift = np.broadcast_to(np.float32([3.0, -1.5, 0.5]), (*SHAPE, 3))
    moving = texture()
    moving[..., 8:] = moving[..., 7:8].mean()  # nothing to hold on to in one half
    brought = pulled(moving, shift)
    fixed = (brought + 0.02 * np.random.default_rng(0).standard_normal(SHAPE)).astype(np.float32)
    valid, spacing = np.ones(SHAPE, bool), (1.0, 1.5, 2.0)
    found = looseness_mm(Images(moving, fixed, valid, spacing), shift)
    expected = looseness_mm(Images(brought, fixed, valid, spacing), np.zeros_like(shift))
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert np.abs(found - looseness_mm(Images(moving, fixed, valid, spacing), np.zeros_like(shift))).max() > 1


def test_uncertainty_tells_where_a_fit_errs():
    images, truth = shifted((1.5, -1.0, 1.0), spacing_mm=(1.0, 1.0, 1.0))
    flat = images.moving.copy()
    flat[:, :8] = flat[:, 8:9].mean()  # nothing to hold on to in one half
    noise = 0.02 * np.random.default_rng(0).standard_normal((2, *SHAPE))
    fixed = pulled(flat, truth) + noise[0]
    images = Images(flat + noise[1].astype(np.float32), fixed.astype(np.float32), images.valid, images.spacing_mm)
    found = register_pair(images, "anatomy-aware", train(small(iterations=40), [images]).part(), refine=False)
    off = np.linalg.norm(found.displacement - truth, axis=-1)[2:-2, 2:-2, 2:-2]
    assert np.corrcoef(off.ravel(), found.uncertainty_mm[2:-2, 2:-2, 2:-2].ravel())[0, 1] > 0.3


def test_no_noise_no_uncertainty(cohort):
    assert (
        register_pair(
            cohort[0],
            "voxelmorph",
            train(VoxelMorph(VoxelMorphSettings(iterations=1)), cohort[:1]).part(),
            refine=False,
        ).uncertainty_mm
        is None
    )
