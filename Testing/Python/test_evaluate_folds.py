"""The folds of an evaluation: none learns anything of the patients that it tests, and its finder judges all methods."""

import shutil

import pytest
import torch

from MR2USProLib.cohorts.cohort import read_cohort
from MR2USProLib.cohorts.methods import Combination
from MR2USProLib.cohorts.plan import Plan
from MR2USProLib.cohorts.study import Study
from MR2USProLib.errors import InputError
from MR2USProLib.pipeline import pairing
from MR2USProLib.progress import SILENT
from MR2USProLib.registration import finder_training
from MR2USProLib.volume import Volume
from MR2USProLib.weights import read_weights
from small_cohort import write_cohort

METHODS = ("acmt+voxelmorph", "finder")
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


def study(cohort, out, methods=METHODS):
    plan = Plan(folds=2, refine=False, iterations=2)
    return Study(read_cohort(cohort / "cohort.csv"), [Combination.named(name) for name in methods], plan, out)


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


def measured(taught, n, out, methods=METHODS):
    """What was measured in a fold that has no networks but its own; its cases come with their methods."""
    weights = taught.files.weights(n, "finder").parent
    shutil.copytree(weights, out / weights.relative_to(taught.files.folder), dirs_exist_ok=True)
    alone = study(taught.cases[0].mr.parents[1], out, methods)
    for piece in alone.pieces():
        if piece.what.startswith(f"fold {n + 1}") and not piece.file.is_file():
            piece.work(SILENT)
    names = [str(Combination.named(name)) for name in methods]
    rows = {(case.name, name): alone.files.measured(case, name) for case in alone.folds[n] for name in names}
    return {row: {**figures, "seconds": 0} for row, figures in rows.items()}


@pytest.mark.parametrize("n", [0, 1])
def test_a_fold_is_tested_where_no_network_is_but_its_own(taught, tmp_path, n):
    assert all("overlap_seen" in row for row in measured(taught, n, tmp_path).values())
    assert [path.name for path in (tmp_path / "weights").iterdir()] == [f"fold-{n + 1}"]


def test_a_finder_that_is_added_judges_what_was_there_before(taught, tmp_path):
    assert not any("overlap_seen" in row for row in measured(taught, 0, tmp_path / "one", ["demons"]).values())
    added, at_once = (measured(taught, 0, tmp_path / out, ["demons", "finder"]) for out in ("one", "other"))
    assert added == at_once
    assert all("overlap_seen" in row for row in added.values())
    assert not list(tmp_path.rglob("*_displacement.nrrd"))


def test_an_image_of_two_patients_is_refused_where_there_are_folds(folder, tmp_path):
    cohort = tmp_path / "cohort"
    shutil.copytree(folder, cohort)
    shutil.copy(cohort / "a0" / "mr.nrrd", cohort / "a2" / "mr.nrrd")
    with pytest.raises(InputError, match="'a0' and 'a2' share their mr but no patient"):
        study(cohort, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    cases = read_cohort(cohort / "cohort.csv")
    assert Study(cases, [Combination.named("demons")], Plan(fit_only=True), tmp_path / "out").folds == (cases,)
    of_one = (cohort / "cohort.csv").read_text("utf-8").replace(",p2,", ",p0,")
    (cohort / "cohort.csv").write_text(of_one, "utf-8")
    assert len(study(cohort, tmp_path / "out").folds) == 2
