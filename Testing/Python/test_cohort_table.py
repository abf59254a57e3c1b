"""The CSV of a cohort: what it may say, one clear sentence for what it may not, and folds that keep patients whole."""

import pytest

from MR2USProLib.cohorts.cohort import Case, folds, read_cohort
from MR2USProLib.errors import InputError

FILES = ("mr.nrrd", "us.nrrd", "mr_label.nrrd", "us_label.nrrd", "truth.h5")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    for name in FILES:
        (tmp_path / "data" / name).write_bytes(b"")
    return tmp_path


def written(folder, *lines):
    path = folder / "cohort.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_cohort_is_read_with_paths_from_its_own_folder(folder):
    path = written(
        folder,
        "case,mr,us,mr_label,us_label,patient,truth",
        "a1,data/mr.nrrd,data/us.nrrd,data/mr_label.nrrd,data/us_label.nrrd,anna,data/truth.h5",
        "b1, data/mr.nrrd, data/us.nrrd,,,,",
    )
    first, second = read_cohort(path)
    assert first == Case("a1", *(folder / "data" / name for name in FILES[:4]), "anna", folder / "data" / "truth.h5")
    assert (second.patient, second.mr_label, second.us_label, second.truth) == ("b1", None, None, None)
    assert second.files["mr"] == folder / "data" / "mr.nrrd"


GOOD = "a,data/mr.nrrd,data/us.nrrd"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (("case,mr", "a,data/mr.nrrd"), "lacks the column us"),
        (("case,mr,us,colour", GOOD + ",red"), "a column 'colour' that means nothing"),
        (("case,mr,us",), "names no case"),
        (("case,mr,us", "a,data/mr.nrrd"), "line 2 of cohort.csv has not as many values"),
        (("case,mr,us", GOOD + ",more"), "line 2 of cohort.csv has not as many values"),
        (("case,mr,us", "a,,data/us.nrrd"), "line 2 of cohort.csv has no value for mr"),
        (("case,mr,us", "", GOOD, "", "b,,data/us.nrrd"), "line 5 of cohort.csv has no value for mr"),
        (("case,mr,us", GOOD, "A" + GOOD[1:]), "names the case 'A' twice \\(line 3\\)"),
        (("case,mr,us", "../" + GOOD), "cannot name files"),
        (("case,mr,us", "n" * 101 + GOOD[1:]), "cannot name files"),
        (("case,mr,us", "Con" + GOOD[1:]), "cannot name files"),
        (("case,mr,us", "aux.1" + GOOD[1:]), "cannot name files"),
        (("case,mr,us", "a,data/mr.nrrd,data/none.nrrd"), "none.nrrd \\(us of the case 'a'\\) does not exist"),
        (("case,mr,us,mr_label", GOOD + ",data/mr_label.nrrd"), "has mr_label but no us_label"),
        (("case,mr,us,us_label", GOOD + ",data/us_label.nrrd"), "has us_label but no mr_label"),
    ],
)
def test_a_bad_cohort_gets_one_sentence(folder, lines, says):
    with pytest.raises(InputError, match=says) as error:
        read_cohort(written(folder, *lines))
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def test_what_is_no_table_at_all_is_told(folder):
    with pytest.raises(InputError, match="does not exist: give a CSV file"):
        read_cohort(folder / "none.csv")
    (folder / "picture.csv").write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(InputError, match=r"picture\.csv is not a text table"):
        read_cohort(folder / "picture.csv")


def cohort(counts):
    """Cases of patients p0, p1... with as many pairs each as given."""
    return [Case(f"c{n}{m}", None, None, patient=f"p{n}") for n, count in enumerate(counts) for m in range(count)]


def test_folds_hold_every_case_once_and_every_patient_whole():
    cases = cohort([4, 1, 1, 2, 3, 1, 1, 2, 1, 1])
    split = folds(cases, 4, seed=0)
    assert sorted(case.name for fold in split for case in fold) == sorted(case.name for case in cases)
    seen = [{case.patient for case in fold} for fold in split]
    assert not any(seen[a] & seen[b] for a in range(4) for b in range(a))
    assert sorted(map(len, split)) == [4, 4, 4, 5]


def test_folds_depend_on_the_seed_and_not_on_the_order():
    cases = cohort([1, 2, 1, 1, 2, 1, 1, 1])
    assert folds(cases, 3, seed=1) == folds(cases[::-1], 3, seed=1)
    assert folds(cases, 3, seed=1) != folds(cases, 3, seed=2)


@pytest.mark.parametrize(
    ("pairs", "count", "says"),
    [
        (
            [2, 1, 1],
            1,
            r"The 4 case\(s\) are of 3 patient\(s\), .* into 1 folds: give --folds 2 at least and 3 at most",
        ),
        (
            [2, 1, 1],
            4,
            r"The 4 case\(s\) are of 3 patient\(s\), .* into 4 folds: give --folds 2 at least and 3 at most",
        ),
        ([5], 2, r"The 5 case\(s\) are of 1 patient\(s\), who cannot be split into 2 folds: give --fit-only"),
    ],
)
def test_folds_that_cannot_be_are_refused(pairs, count, says):
    with pytest.raises(InputError, match=says):
        folds(cohort(pairs), count, seed=0)
