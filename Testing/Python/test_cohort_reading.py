"""How often the cases of a cohort are read, and how many of them are in memory at once."""

import weakref
from dataclasses import replace

import numpy as np
import pytest

from MR2USProLib.cohorts import reading
from MR2USProLib.cohorts.cohort import read_cohort
from MR2USProLib.cohorts.methods import Combination
from MR2USProLib.cohorts.plan import Plan
from MR2USProLib.cohorts.study import Study
from MR2USProLib.pipeline import pairing
from MR2USProLib.progress import SILENT
from small_cohort import write_cohort


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return read_cohort(write_cohort(tmp_path_factory.mktemp("cohort"), 2, patients=2))


@pytest.fixture
def read(monkeypatch):
    """The cases that were read, one after the other; none while another is still held with its images."""
    names, held, begin = [], [], reading.started

    def listed(case, **how):
        assert not any(whole() for whole in held)
        found = begin(case, **how)
        names.append(case.name)
        held.append(weakref.ref(found))
        return found

    monkeypatch.setitem(pairing.SHAPES, "fast", (16, 32, 32))
    monkeypatch.setattr(reading, "started", listed)
    return names


def test_an_experiment_reads_each_case_for_its_start_and_once_for_all_methods(cases, read, tmp_path):
    methods = [Combination.named(name) for name in ("none+demons", "finder")]
    study = Study(cases, methods, Plan(fit_only=True), tmp_path)
    pairs = study.reading.pairs(cases, SILENT)
    study.run(SILENT)
    assert read == ["a0", "a1"] * 3
    for case, pair in zip(cases, pairs, strict=True):  # images come anew, and what was made of them does not
        assert study.reading.pair(case) is study.reading.whole(case).pair is pair
    assert not np.array_equal(pairs[0].mr.array, pairs[1].mr.array)


def test_a_fold_learns_first_and_then_takes_case_by_case(cases, tmp_path):
    methods = [Combination.named(name) for name in ("acmt+voxelmorph", "none+demons", "acmt+demons")]
    study = Study(cases, methods, Plan(folds=2), tmp_path)
    told = [piece.what for piece in study.pieces() if piece.what.startswith("fold 1")]
    fold = [case.name for case in study.folds[0]]
    assert ["training" in what for what in told] == [True] * 2 + [False] * 4 * len(fold)
    assert [what.split()[-1] for what in told[2:]] == [name for name in fold for _ in range(4)]


def test_a_finder_is_shown_the_pairs_of_one_patient_one_after_the_other(cases, monkeypatch):
    mixed = [replace(case, patient=patient) for case, patient in zip(cases * 2, ("z", "b", "b", "z"), strict=True)]
    shown = []
    monkeypatch.setattr(reading.Reading, "_boxed", lambda self, case: shown.append(case.patient))
    reading.Reading("fast", "none", 0).boxed(mixed, SILENT)
    assert shown == ["z", "z", "b", "b"]  # since the networks for the MR are each judged on a third of them
