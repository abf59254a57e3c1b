"""What register does where nobody says how: the one rule, and what it does not follow."""

import tracemalloc

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy.ndimage import gaussian_filter, shift

from MR2USProLib.errors import InputError
from MR2USProLib.pipeline import Pair, guided_start, methods_for, pair_up, pairing, register
from MR2USProLib.progress import Progress
from MR2USProLib.registration.guidance import Guidance
from MR2USProLib.registration.quality import Ellipsoid, Glands
from MR2USProLib.registration.voxelmorph import VoxelMorph
from MR2USProLib.volume import Grid, Volume
from MR2USProLib.weights import Part, Weights

TRAINED = Weights({"translation": Part("pmt", {}, {}), "registration": Part("voxelmorph", {}, {})})
UNTRANSLATED = Weights({"registration": Part("voxelmorph", {}, {})})
FINDER = Weights({"finder": Part("ridge", {}, {})})


@pytest.mark.parametrize(
    ("translation", "registration", "weights", "expected"),
    [
        ("auto", "auto", None, ("none", "self-similarity")),
        ("auto", "auto", FINDER, ("none", "self-similarity")),
        ("auto", "auto", TRAINED, ("pmt", "voxelmorph")),
        ("auto", "auto", UNTRANSLATED, ("none", "voxelmorph")),
        ("acmt", "auto", UNTRANSLATED, ("acmt", "voxelmorph")),
        ("auto", "anatomy-aware", FINDER, ("acmt", "anatomy-aware")),
        ("auto", "anatomy-aware", None, ("acmt", "anatomy-aware")),
        ("none", "anatomy-aware", None, ("none", "anatomy-aware")),
        ("auto", "self-similarity", TRAINED, ("none", "self-similarity")),
        ("acmt", "self-similarity", None, ("acmt", "self-similarity")),
        ("acmt", "surfaces", None, ("none", "surfaces")),
    ],
)
def test_auto_stands_for_what_the_rule_says(translation, registration, weights, expected):
    assert methods_for(translation, registration, weights) == expected


@pytest.fixture(scope="module")
def moved_mm():
    """(3,), by how much the MR's tissue lies elsewhere than the TRUS's."""
    return np.array([6.0, -4.0, 2.0])


@pytest.fixture(scope="module")
def pair(moved_mm):
    grid = Grid((20, 30, 30), (1.5, 1.5, 2.0), (-20.0, -20.0, -20.0), np.eye(3))
    noise = gaussian_filter(np.random.default_rng(0).standard_normal(grid.shape), 2.0, mode="wrap")
    tissue = np.tanh(3 * noise / noise.std()).astype(np.float32)
    there = shift(tissue, (moved_mm / grid.spacing_mm)[::-1], order=1, mode="nearest")
    valid = np.ones(grid.shape, bool)
    return Pair(Volume(there, grid), Volume(50 - 20 * tissue, grid), valid, sitk.Transform(3, sitk.sitkIdentity))


def ball(centre_mm, pair, radius_mm=12.0):
    return Ellipsoid(pair.us.grid.centre_mm + centre_mm, radius_mm * np.eye(3))


def test_tissue_that_takes_the_glands_along_is_followed(pair, moved_mm):
    glands = Glands(mr=ball(moved_mm, pair), us=ball(np.zeros(3), pair))
    found = register(pair.mr, pair.us, pair, glands=glands)
    assert found.fitted.structure.followed
    middle = pair.us.grid.centre_mm
    assert np.linalg.norm(np.array(found.transform.TransformPoint(middle)) - middle - moved_mm) < 1
    assert glands.overlap(found.transform) > glands.overlap(pair.initial) + 0.2


def test_glands_that_were_seen_a_little_off_may_be_parted_by_as_much(pair, moved_mm):
    glands = Glands(mr=ball(0.3 * moved_mm, pair, 20.0), us=ball(np.zeros(3), pair, 20.0))
    found = register(pair.mr, pair.us, pair, glands=glands)
    assert glands.overlap(found.transform) < glands.overlap(pair.initial) - 0.05
    assert found.fitted.structure.followed


def test_tissue_that_would_part_the_glands_is_not_followed(pair):
    glands = Glands(mr=ball(np.zeros(3), pair), us=ball(np.zeros(3), pair))
    found = register(pair.mr, pair.us, pair, glands=glands)
    assert not found.fitted.structure.followed
    assert found.fitted.structure.parts_glands
    assert not found.fitted.displacement.any()
    assert found.uncertainty() is None
    assert glands.overlap(found.transform) == glands.overlap(pair.initial)


@pytest.mark.parametrize("initial", ["centers", "moments"])
def test_every_command_begins_at_the_same_start(pair, initial):
    """Where the TRUS is no full box, the middle of what it shows is another than that of the volume."""
    array = pair.us.array.copy()
    array[:, :, 18:] = 0
    array[:4] = array[-4:] = array[:, :5] = array[:, -5:] = 0
    us = Volume(array, pair.us.grid)
    starts = (
        pair_up(pair.mr, us, initial=initial, preset="fast").initial,
        guided_start(pair.mr, us, Guidance(), initial=initial),
    )
    places = [start.TransformPoint((1.0, 2.0, 3.0)) for start in starts]
    assert places[0] == pytest.approx(places[1], abs=1e-9)


def test_a_pair_has_an_mr_without_its_bias_field(pair):
    def spread(mr, plain, valid):
        return np.log(mr.array[valid] / plain.array[valid]).std()

    grid = pair.mr.grid
    j, i = np.linspace(-1, 1, grid.shape[1])[:, None], np.linspace(-1, 1, grid.shape[2])
    plain = Volume((200 + 15 * pair.mr.array).astype(np.float32), grid)
    biased = Volume((plain.array * np.exp(0.3 * j**2 + 0.25 * i)).astype(np.float32), grid)
    found = pair_up(biased, pair.us, preset="fast")
    before, ideal = (mr.smoothed_for(found.mr.grid).resampled(found.mr.grid) for mr in (biased, plain))
    assert spread(found.mr, ideal, found.valid) < 0.6 * spread(before, ideal, found.valid)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"refine": False}, "no trained voxelmorph"),
        ({"incompressible": True}, "drop --incompressible"),
        ({"weights": Weights({"registration": Part("fsdiffreg", {}, {})})}, "hold fsdiffreg"),
    ],
)
def test_options_that_do_not_fit_are_told_before_anything_is_translated(pair, options, says):
    steps = []
    progress = Progress(lambda stage, fraction, message: steps.append(stage))
    with pytest.raises(InputError, match=says):
        register(pair.mr, pair.us, pair, translation="acmt", registration="voxelmorph", progress=progress, **options)
    assert not steps


def test_a_network_that_diverged_is_refused_and_not_taken_for_a_deformation(pair):
    method = VoxelMorph()
    part = method.part(method.network())
    nowhere = {name: torch.full_like(tensor, torch.nan) for name, tensor in part.tensors.items()}
    weights = Weights({"registration": Part(part.method, part.settings, nowhere)})
    with pytest.raises(InputError, match="The network of voxelmorph diverged"):
        register(pair.mr, pair.us, pair, weights=weights, refine=False)


def test_the_box_of_what_an_oblique_image_shows_is_found_without_a_list_of_all_its_voxels():
    direction = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    grid = Grid((60, 120, 120), (0.5, 0.5, 0.7), (1.0, 2.0, 3.0), direction)
    middle = (np.array(grid.size) - 1) / 2
    shown = np.linalg.norm((grid.points() - grid.to_world(middle)) / (12.0, 9.0, 6.0), axis=-1) < 1
    every = grid.to_world(np.argwhere(shown)[:, ::-1])
    tracemalloc.start()
    low, high = pairing._box_of(shown, grid)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose([low, high], [every.min(axis=0), every.max(axis=0)])
    assert peak < every.nbytes
