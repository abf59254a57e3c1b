"""Training on a small cohort: what it leaves, that it goes on after a cancel to the same end, and what it refuses."""

import csv
import json
import time

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from MR2USProLib.cohorts.cohort import read_cohort
from MR2USProLib.cohorts.start import started
from MR2USProLib.cohorts.training import Learned, learn_registration, translated
from MR2USProLib.commands.train import _Kept, run
from MR2USProLib.errors import Cancelled, InputError
from MR2USProLib.pipeline import pairing
from MR2USProLib.progress import SILENT, Progress
from MR2USProLib.provenance import fingerprint
from MR2USProLib.registration.finder import find
from MR2USProLib.registration.finder_training import from_part
from MR2USProLib.registration.transforms import write_transform
from MR2USProLib.weights import Part, read_weights
from small_cohort import write_cohort

HOW = {"translation": "acmt", "registration": "anatomy-aware", "iterations": 4, "device": "cpu", "threads": 1}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort"), 2, patients=2)


@pytest.fixture(autouse=True)
def small_grid(monkeypatch):
    monkeypatch.setitem(pairing.SHAPES, "fast", (16, 32, 32))


@pytest.fixture(scope="module")
def trained(cohort, tmp_path_factory):
    """A training that nothing interrupted."""
    patch = pytest.MonkeyPatch()
    patch.setitem(pairing.SHAPES, "fast", (16, 32, 32))
    out = tmp_path_factory.mktemp("trained") / "out"
    run(out=out, cohort=cohort, **HOW)
    patch.undo()
    return out


def test_one_file_holds_both_networks_and_says_how_they_came_to_be(trained):
    weights = read_weights(trained / "weights.safetensors")
    assert weights.part("translation", "acmt").tensors
    assert weights.part("registration", "anatomy-aware").tensors
    assert weights.training["cases"] == 2
    assert weights.training["seed"] == 0
    assert not any("a0" in str(value) for value in weights.training.values())


def test_the_losses_are_a_table_and_a_picture(trained):
    for role in ("translation", "registration"):
        with (trained / f"losses_{role}.csv").open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert [row["iteration"] for row in rows] == ["1", "2", "3", "4"]
        assert len(rows[0]) > 3
        assert all(np.isfinite(float(row["total" if role == "registration" else "loss"])) for row in rows)
        assert (trained / f"losses_{role}.png").read_bytes().startswith(b"\x89PNG")


def test_eight_cases_with_labels_teach_a_finder_too(tmp_path):
    cohort = write_cohort(tmp_path, 8, patients=8)
    how = {**HOW, "translation": "none", "registration": "voxelmorph", "iterations": 1}
    run(out=tmp_path / "out", cohort=cohort, **how)
    finder = from_part(read_weights(tmp_path / "out" / "weights.safetensors").parts["finder"])
    case = started(read_cohort(cohort)[0], preset="fast")
    found = find(finder, case.mr, case.us, case.pair.initial, case.boxes[1], case.boxes[0])
    assert found.recognised
    assert 0 <= finder.gland.weight < 1


def same_networks(one, other):
    first, second = (read_weights(out / "weights.safetensors").parts for out in (one, other))
    return all(
        torch.equal(tensor, second[role].tensors[name])
        for role, part in first.items()
        for name, tensor in part.tensors.items()
    )


@pytest.mark.parametrize(("stage", "share"), [("Translation", 0.5), ("Registration", 0.5)])
def test_a_cancelled_training_goes_on_to_the_same_networks(cohort, trained, tmp_path, stage, share):
    heard, when = [], []

    def listen(name, done, message):
        heard.append((name, done))

    def cancelled():
        stop = bool(heard) and heard[-1][0] == stage and heard[-1][1] >= share
        if stop and not when:
            when.append(time.monotonic())
        return stop

    with pytest.raises(Cancelled):
        run(out=tmp_path, cohort=cohort, **HOW, progress=Progress(listen, cancelled))
    assert time.monotonic() - when[0] < 2
    assert not (tmp_path / "weights.safetensors").exists()
    with pytest.raises(InputError, match="holds this training already: go on with --resume"):
        run(out=tmp_path, cohort=cohort, **HOW)
    heard.clear()
    run(out=tmp_path, cohort=cohort, **HOW, resume=True, progress=Progress(listen))
    assert dict(heard) == dict.fromkeys(("Read", "Translation", "Registration"), 1.0)  # each ended
    if stage == "Registration":  # the translation was not trained again
        assert [done for name, done in heard if name == "Translation"] == [1.0]
    assert same_networks(tmp_path, trained)
    assert (tmp_path / "losses_translation.csv").read_text() == (trained / "losses_translation.csv").read_text()
    assert (tmp_path / "losses_registration.csv").read_text() == (trained / "losses_registration.csv").read_text()


def test_another_seed_gives_other_networks_and_is_refused_in_the_same_folder(cohort, trained, tmp_path):
    with pytest.raises(InputError, match="a training with --seed 0, and this one is with --seed 1"):
        run(out=trained, cohort=cohort, **HOW, seed=1, resume=True)
    pose = tmp_path / "Miller_pose.tfm"
    write_transform(pose, sitk.TranslationTransform(3))
    how = {**HOW, "translation": "none", "initial": str(pose)}
    for seed in (1, 2):
        run(out=tmp_path / str(seed), cohort=cohort, **how, seed=seed)
    assert not same_networks(tmp_path / "1", tmp_path / "2")
    assert set(read_weights(tmp_path / "1" / "weights.safetensors").parts) == {"registration"}
    for name in ("weights.safetensors", "report.json", "report.html", "training.json"):  # that tell no names of files
        assert b"Miller" not in (tmp_path / "1" / name).read_bytes()
    report = json.loads((tmp_path / "1" / "report.json").read_text("utf-8"))
    assert report["parameters"]["initial"] == "transform"
    assert report["inputs"]["initial"]["sha256"] == fingerprint(pose)["sha256"]
    write_transform(pose, sitk.TranslationTransform(3, (1.0, 0.0, 0.0)))  # edited under its name
    with pytest.raises(InputError, match="that file as it was before"):
        run(out=tmp_path / "1", cohort=cohort, **how, seed=1, resume=True)


@pytest.mark.slow
def test_published_translations_are_as_large_as_their_paper_says(cohort, tmp_path):
    run(
        out=tmp_path,
        cohort=cohort,
        **{**HOW, "translation": "unsb", "registration": "voxelmorph", "iterations": 1},
        published=True,
    )
    part = read_weights(tmp_path / "weights.safetensors").part("translation", "unsb")
    sizes = part.settings["generator"]
    assert (sizes["channels"], sizes["blocks"], sizes["slab"]) == (64, 9, False)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"translation": "cut"}, "no method 'cut' \\(--translation\\)"),
        ({"registration": "elastix"}, "no method 'elastix' \\(--registration\\)"),
        ({"iterations": 0}, "--iterations 1 or more"),
        ({"published": True, "translation": "none"}, "drop --published"),
        ({"initial": "middle"}, "'middle' is no initial alignment"),
        ({"initial": "nowhere.tfm"}, r"The start nowhere\.tfm does not exist: correct --initial"),
    ],
)
def test_what_cannot_be_trained_is_told_at_once(cohort, tmp_path, changed, says):
    with pytest.raises(InputError, match=says):
        run(out=tmp_path / "out", cohort=cohort, **{**HOW, **changed})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("lost", "says"), [(False, ""), (True, "The training of voxelmorph diverged")])
def test_a_registration_that_diverged_is_told(cohort, lost, says):
    pair = started(read_cohort(cohort)[0], preset="fast").pair
    seen = translated("none", pair, None)
    if lost:
        seen.us[:] = np.nan
    complaint = learn_registration("voxelmorph", [seen.images(pair)], iterations=1).complaint
    assert complaint.startswith(says)
    assert bool(complaint) == lost


def test_losses_that_are_no_numbers_come_back_as_such(tmp_path):
    """They are written to JSON, which has none, between a training and the next."""
    learned = Learned(Part("voxelmorph", {}, {"weight": torch.zeros(1)}), {"total": [1.0, float("nan")]})
    kept = _Kept(tmp_path, None, 0, "cpu")
    kept.learned("registration", lambda how: learned, SILENT)
    again = kept.learned("registration", lambda how: pytest.fail("It was finished."), SILENT)
    np.testing.assert_array_equal(again.history["total"], [1.0, np.nan])
    (tmp_path / "registration_losses.json").unlink()  # a folder that was copied in part
    assert kept.learned("registration", lambda how: learned, SILENT) is learned
