"""The finder: what roughly drawn boxes of a cohort teach, and that it leaves alone what it does not know."""

from typing import NamedTuple

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from MR2USProLib.errors import InputError
from MR2USProLib.registration import gland_network_training
from MR2USProLib.registration.boxes import Box, centred
from MR2USProLib.registration.finder import WELL_LAID, Picture, Sides, find, sides_of, stretched
from MR2USProLib.registration.finder_training import (
    BoxedPair,
    from_part,
    learn_finder,
    own_finder,
    serves,
    to_part,
)
from MR2USProLib.registration.gland_network import LARGEST_STEP_MM, GlandSight, both_looks, centre_seen
from MR2USProLib.registration.gland_network_training import MOST_WEIGHT, learn_gland
from MR2USProLib.volume import Grid, Volume
from MR2USProLib.weights import Part, Weights, read_weights, write_weights

TILT_DEG = 9.0


def world(shape=(34, 40, 36), origin=(-55.0, -60.0, -50.0)):
    return Grid(shape, (3.0, 3.0, 3.0), origin, np.eye(3))


def anatomy(rng, tilt_deg=TILT_DEG, mr_growth=(1.0, 1.0, 1.0)):
    """A gland with a bright zone behind it, seen by two devices: the MR tilted about x, with other grey levels."""
    grid = world()
    points = grid.points()
    half = rng.uniform([19, 16, 17], [26, 22, 24])
    places = [rng.uniform(-6, 6, 3) for _ in range(2)]
    angle = np.deg2rad(tilt_deg)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    images, boxes = [], []
    sizes = half * mr_growth, half
    for n, (place, rotation, half) in enumerate(zip(places, (turn, np.eye(3)), sizes, strict=True)):
        local = (points - place) @ rotation / half
        distance = 1 - np.sqrt((local**2).sum(axis=-1))
        inside = 1 / (1 + np.exp(-distance * 14))
        behind = np.exp(-(((local - [0, 1.3, 0.2]) / [0.9, 0.35, 0.8]) ** 2).sum(axis=-1))
        above = np.exp(-(((local - [0, 0.1, 1.4]) / [0.7, 0.7, 0.3]) ** 2).sum(axis=-1))
        inner = np.exp(-(((local - [0, -0.3, 0.2]) / [0.4, 0.3, 0.5]) ** 2).sum(axis=-1))
        weights = ((90, 70, 110, 40), (-60, 100, -50, -35))[n]
        image = 100 + sum(w * part for w, part in zip(weights, (inside, behind, above, inner), strict=True))
        images.append(Volume((image + rng.normal(0, 3, image.shape)).astype(np.float32), grid))
        corners = np.abs(rotation) @ half  # of an upright box; close to the ellipsoid's
        extent = np.sqrt((rotation**2) @ half**2)
        assert (extent <= corners + 1e-9).all()
        boxes.append(Box(place - extent, place + extent))
    return images, boxes


class Drawn(NamedTuple):
    mr: Volume
    us: Volume
    mr_box: Box
    us_box: Box


def learned(seeds):
    return learn_finder([BoxedPair.of(*drawn_pair(seed)[0]) for seed in seeds], iterations=40)


def drawn_pair(seed, **changes):
    rng = np.random.default_rng(seed)
    (mr, us), exact = anatomy(rng, **changes)
    return Drawn(mr, us, *(box.drawn(rng) for box in exact)), exact


@pytest.fixture(scope="module")
def finder():
    return learned(range(16))


def test_boxes_teach_the_symmetry_the_tilt_and_where_the_gland_is(finder):
    assert finder.mirror == 0
    assert finder.tilt_deg == pytest.approx(TILT_DEG, abs=6)
    before, after = [], []
    for seed in range(100, 112):
        pair, exact = drawn_pair(seed)
        found = find(finder, pair.mr, pair.us, centred(pair.mr_box, pair.us_box), pair.us_box, pair.mr_box)
        assert found.recognised
        for errors, transform in ((before, found.given), (after, found.transform)):
            errors.append(np.linalg.norm(transform.TransformPoint(exact[1].centre_mm.tolist()) - exact[0].centre_mm))
    assert np.mean(after) < 0.6 * np.mean(before)


def test_a_label_that_holds_next_to_nothing_does_not_spoil_what_the_others_teach(finder):
    pairs = [drawn_pair(seed)[0] for seed in range(16)]
    rng = np.random.default_rng(1)
    slips = [Box(box.centre_mm - 0.5, box.centre_mm + 0.5).drawn(rng) for box in (pairs[0].mr_box, pairs[0].us_box)]
    pairs[0] = pairs[0]._replace(mr_box=slips[0], us_box=slips[1])
    spoilt = learn_finder([BoxedPair.of(*pair) for pair in pairs], iterations=2)
    assert spoilt.tilt_deg == pytest.approx(TILT_DEG, abs=6)
    np.testing.assert_allclose(spoilt.growth, finder.growth, atol=0.1)


def test_the_gland_is_seen_in_the_mr_and_followed_as_far_as_it_is_trusted(finder):
    """Its centre is seen from a look that is beside it, and where the look is mirrored, too; a long step is cut."""
    assert 0.2 < finder.gland.weight <= 0.25
    rng = np.random.default_rng(7)
    off, cut = [], 0
    for seed in range(600, 612):
        pair, exact = drawn_pair(seed)
        picture, beside = Picture(pair.mr, pair.mr_box.grown(20)), rng.normal(0, 3, 3)
        at = exact[0].centre_mm + beside
        both = both_looks(picture, at, np.eye(3), finder.mirror)
        seen = np.mean([centre_seen(n, both, finder.mirror) for n in finder.gland.networks], axis=0)
        off.append(beside + seen)
        step = finder.gland.step(picture, at, np.eye(3), finder.mirror)
        assert step == pytest.approx(finder.gland.weight * np.clip(seen - finder.gland.bias, -2, 2), abs=1e-6)
        cut += (np.abs(seen - finder.gland.bias) > 2).any()
    assert np.sqrt(np.mean(np.square(off))) < 1.8  # beside it by 3.0
    assert cut
    mirrored = np.diag([-1.0, 1.0, 1.0])
    assert centre_seen(finder.gland.networks[0], both_looks(picture, at, mirrored, 0), 0) == pytest.approx(
        mirrored @ centre_seen(finder.gland.networks[0], both_looks(picture, at, np.eye(3), 0), 0), abs=1e-3
    )


class Bright(torch.nn.Module):
    """Takes for the gland what is bright."""

    def forward(self, looks):
        return 40 * (looks - 0.5)


def ball(centre_mm):
    """A picture of nothing else than a ball of 15 mm."""
    radius = np.linalg.norm(world().points() - centre_mm, axis=-1)
    image = 1 / (1 + np.exp(radius - 15))
    return Picture(Volume(image.astype(np.float32), world()), Box(np.full(3, -45.0), np.full(3, 45.0)))


def test_what_networks_are_off_by_on_average_is_taken_back():
    """All of them see the gland beside its middle: their step is away from where they see it."""
    bias, axes = np.array([1.5, -1.0, 0.5]), np.eye(3)
    sight = GlandSight([Bright()], bias, 0.25)
    middle = np.array([4.0, -3.0, 2.0])
    assert sight.step(ball(middle), middle, axes, 0) == pytest.approx(-0.25 * bias, abs=0.05)
    assert sight.step(ball(middle + bias), middle, axes, 0) == pytest.approx(0, abs=0.05)
    far = sight.step(ball(middle + 8), middle, axes, 0)
    assert far == pytest.approx(np.full(3, 0.25 * LARGEST_STEP_MM))


def test_drawn_middles_teach_what_networks_are_off_by(monkeypatch):
    monkeypatch.setattr(gland_network_training, "_learned", lambda *given: Bright())
    rng, bias, half = np.random.default_rng(0), np.array([1.5, -1.0, 0.5]), np.full(3, 15.0)
    middles = rng.normal(0, 3, (9, 3))
    sides = [Sides(middle - half, middle + half) for middle in middles]
    sight = learn_gland([ball(middle + bias) for middle in middles], sides, 0)
    assert sight.bias == pytest.approx(bias, abs=0.1)
    assert sight.weight == MOST_WEIGHT  # they are all off alike
    assert sight.step(ball(middles[0]), middles[0], np.eye(3), 0) == pytest.approx(-MOST_WEIGHT * bias, abs=0.05)


def test_half_of_a_difference_in_size_is_followed_from_the_trus_to_the_mr(finder):
    assert stretched(np.array([24.0, 30.0, 20.0]), np.array([20.0, 30.0, 24.0])) == pytest.approx(
        [np.sqrt(1.2), 1, np.sqrt(1 / 1.2)]
    )
    pair, _ = drawn_pair(700, mr_growth=(1.2, 1.2, 1.2))
    found = find(finder, pair.mr, pair.us, centred(pair.mr_box, pair.us_box), pair.us_box, pair.mr_box)
    assert found.recognised
    assert not found.kept
    upright = np.array([1.0, *2 * [np.cos(np.deg2rad(finder.tilt_deg))]])  # the tilt is about the first axis
    diagonal = np.diag(np.reshape(found.transform.GetMatrix(), (3, 3)))
    grown = np.diag(found.glands.mr.axes_mm) / np.diag(found.glands.us.axes_mm)
    assert grown == pytest.approx(np.full(3, 1.2), abs=0.12)
    assert diagonal / upright == pytest.approx(np.sqrt(grown), abs=1e-6)


def test_a_network_that_saw_nothing_is_not_followed():
    rng = np.random.default_rng(0)
    noise = [Volume(rng.normal(0, 1, world().shape).astype(np.float32), world()) for _ in range(9)]
    box = Box(np.array([-22.0, -19.0, -20.0]), np.array([22.0, 19.0, 20.0]))
    boxes = [Box(box.low_mm + d, box.high_mm + d) for d in rng.normal(0, 6, (9, 3))]
    sides = [sides_of(b, np.eye(3), 0.0) for b in boxes]
    seen = learn_gland([Picture(v, b.grown(30)) for v, b in zip(noise, boxes, strict=True)], sides, 0, iterations=2)
    assert seen.weight < 0.2


def test_the_box_in_the_mr_may_be_missing(finder):
    before, after = [], []
    for seed in range(200, 208):
        pair, exact = drawn_pair(seed)
        found = find(finder, pair.mr, pair.us, centred(pair.mr_box, pair.us_box), pair.us_box)
        for errors, transform in ((before, found.given), (after, found.transform)):
            errors.append(np.linalg.norm(transform.TransformPoint(exact[1].centre_mm.tolist()) - exact[0].centre_mm))
    assert np.mean(after) < 0.8 * np.mean(before)


def test_glands_that_lie_on_each_other_already_are_left_there(finder):
    """What would be moved is what the sight errs by; masks, which know better, are told of the turn all the same."""
    pair, exact = drawn_pair(250)
    images, boxes = (pair.mr, pair.us), (pair.us_box, pair.mr_box)
    start = centred(*exact)
    found = find(finder, *images, start, *boxes)
    assert found.recognised
    assert found.kept
    assert found.transform is start
    assert found.glands.overlap(start) >= WELL_LAID
    moved = find(finder, *images, start, *boxes, keep_well_laid=False)
    assert not moved.kept
    assert np.reshape(moved.transform.GetMatrix(), (3, 3))[2, 1] > 0.05
    beside = sitk.TranslationTransform(3, (np.array(start.GetOffset()) + [5.0, 0.0, 0.0]).tolist())
    assert not find(finder, *images, beside, *boxes).kept


def test_headers_that_turn_the_patient_do_not_matter(finder):
    pair, _ = drawn_pair(300)
    upright = find(finder, pair.mr, pair.us, centred(pair.mr_box, pair.us_box), pair.us_box, pair.mr_box)
    turn = np.array([[0, 0, 1.0], [-1, 0, 0], [0, -1, 0]])  # x from z, y from -x, z from -y
    images = [Volume(v.array, Grid(v.grid.shape, v.grid.spacing_mm, tuple(turn @ v.grid.origin_mm), turn))
              for v in (pair.mr, pair.us)]  # fmt: skip
    boxes = [Box.of(np.concatenate([turn @ b.low_mm, turn @ b.high_mm])) for b in (pair.mr_box, pair.us_box)]
    turned = find(finder, *images, centred(*boxes), boxes[1], boxes[0])
    assert turned.recognised
    assert turned.likeness == pytest.approx(upright.likeness, abs=1e-6)
    point = np.array([4.0, -7.0, 11.0])
    there = np.array(upright.transform.TransformPoint(point.tolist()))
    assert turned.transform.TransformPoint((turn @ point).tolist()) == pytest.approx(turn @ there, abs=1e-6)


def test_what_it_does_not_know_is_left_alone(finder):
    pair, _ = drawn_pair(400)
    rng = np.random.default_rng(0)
    noise = Volume(rng.normal(0, 1, pair.us.array.shape).astype(np.float32), pair.us.grid)
    start = centred(pair.mr_box, pair.us_box)
    found = find(finder, pair.mr, noise, start, pair.us_box, pair.mr_box)
    assert not found.recognised
    assert found.transform is found.given is start
    blank = Volume(np.full_like(noise.array, 7.0), noise.grid)
    assert not find(finder, pair.mr, blank, start, pair.us_box).recognised
    for half_mm in (2.0, 4.0, 8.0):
        tiny = Box(pair.us_box.centre_mm - half_mm, pair.us_box.centre_mm + half_mm)
        assert not find(finder, pair.mr, pair.us, start, tiny).recognised
    bent = sitk.BSplineTransform(3)
    assert not find(finder, pair.mr, pair.us, bent, pair.us_box).recognised


def test_it_is_kept_as_weights(finder, tmp_path):
    write_weights(tmp_path / "f.safetensors", Weights({"finder": to_part(finder)}))
    back = from_part(read_weights(tmp_path / "f.safetensors").parts["finder"])
    pair, _ = drawn_pair(500)
    transforms = [
        find(f, pair.mr, pair.us, centred(pair.mr_box, pair.us_box), pair.us_box).transform for f in (finder, back)
    ]
    assert np.allclose(transforms[0].GetParameters(), transforms[1].GetParameters(), atol=1e-4)
    with pytest.raises(InputError, match="train it anew"):
        from_part(Part("ridge", {}, {}))


def test_few_pairs_teach_nothing():
    with pytest.raises(InputError, match=r"3 pair.* or other --methods than finder, surfaces and register"):
        learned(range(3))


def test_one_that_knows_more_serves_unless_it_has_seen_what_it_is_tested_on(finder):
    def boxed(*seeds):
        return [BoxedPair.of(*drawn_pair(seed)[0]) for seed in seeds]

    others = boxed(*range(100, 110))
    assert serves(finder, others)
    assert not serves(finder, boxed(*range(100, 117)))  # they could teach more
    assert not serves(finder, others, tested=boxed(3))
    assert not serves(finder, boxed(*range(10)))
    assert not serves(from_part(own_finder()), others)  # it does not know such pictures
    kept = from_part(to_part(finder))
    assert not serves(kept, others, tested=boxed(3))


def test_a_picture_is_known_again_in_another_type_of_voxel(finder):
    pair = drawn_pair(3)[0]
    whole = [Volume(np.rint(image.array), image.grid) for image in pair[:2]]
    small = Volume(whole[0].array.astype(np.int16), whole[0].grid)
    marks = {BoxedPair.of(mr, whole[1], pair.mr_box, pair.us_box).fingerprint for mr in (whole[0], small)}
    assert len(marks) == 1


def test_the_weights_that_come_with_the_program_are_a_finder():
    own = from_part(own_finder())
    assert own.mirror == 1
    assert len(own.seen) == 79
