"""That no fold of an evaluation learns anything of the patients that it tests: neither its networks nor its finder."""

import shutil

import pytest
import torch

from MR2USProLib.cohorts.cohort import read_cohort
from MR2USProLib.cohorts.methods import Method
from MR2USProLib.cohorts.study import Plan, Study
from MR2USProLib.pipeline import pairing
from MR2USProLib.progress import SILENT
from MR2USProLib.registration import finder_training
from MR2USProLib.volume import Volume
from MR2USProLib.weights import read_weights
from small_cohort import write_cohort

LEARNED = ("finder", "acmt", "acmt+voxelmorph")


@pytest.fixture(scope="module", autouse=True)
def small():
    """Grids on which networks learn in a second, and a finder that two pairs teach."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(pairing.SHAPES, "fast", (8, 16, 16))
        patch.setattr(finder_training, "LEAST_PAIRS", 2)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of a cohort of four patients."""
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder, 4, patients=4)
    return folder


def study(cohort, out):
    methods = [Method.named(name) for name in ("acmt+voxelmorph", "finder")]
    return Study(read_cohort(cohort / "cohort.csv"), methods, Plan(folds=2, refine=False, iterations=2), out)


def learned(cohort, out):
    """The experiment after all of its trainings."""
    begun = study(cohort, out)
    for piece in begun.pieces():
        if "training" in piece.what:
            piece.work(SILENT)
    return begun


@pytest.fixture(scope="module")
def taught(folder, tmp_path_factory):
    return learned(folder, tmp_path_factory.mktemp("taught"))


def networks(taught, fold, name):
    (part,) = read_weights(taught.files.weights(fold, name)).parts.values()
    return part.tensors


def same(one, other):
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_what_a_fold_learns_changes_with_the_pairs_that_it_trains_on_alone(folder, taught, tmp_path):
    changed = tmp_path / "changed"
    shutil.copytree(folder, changed)
    for case in taught.folds[0]:  # which the first fold tests, and the second one learns from
        for name in ("mr", "us", "mr_label", "us_label"):
            image = Volume.read(changed / case.name / f"{name}.nrrd")
            Volume(image.array[::-1, ::-1].copy(), image.grid).write(changed / case.name / f"{name}.nrrd")
    again = learned(changed, tmp_path / "again")
    for name in LEARNED:
        alike = [same(networks(taught, n, name), networks(again, n, name)) for n in (0, 1)]
        assert alike == [True, False], name


@pytest.mark.parametrize("n", [0, 1])
def test_a_fold_is_tested_where_no_network_is_but_its_own(folder, taught, tmp_path, n):
    weights = taught.files.weights(n, "finder").parent
    shutil.copytree(weights, tmp_path / weights.relative_to(taught.files.folder))
    alone = study(folder, tmp_path)
    for piece in alone.pieces():
        if piece.what.startswith(f"fold {n + 1}") and "training" not in piece.what:
            piece.work(SILENT)
            assert piece.file.is_file()
