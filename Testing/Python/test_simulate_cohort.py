"""A simulated cohort: pairs, labels and truth that belong together."""

import pytest

from MR2USProLib.cli import run as mr2us
from MR2USProLib.cohorts.cohort import read_cohort
from MR2USProLib.cohorts.scoring import figures
from MR2USProLib.cohorts.start import started
from MR2USProLib.commands.simulate_cohort import run


@pytest.mark.slow  # an exam takes ten seconds and more
def test_the_truth_of_a_simulated_cohort_lays_mr_on_trus(tmp_path):
    run(out=tmp_path, cases=2, frames=40, level="easy", seed=3)
    cases = read_cohort(tmp_path / "cohort.csv")
    assert [case.name for case in cases] == ["case-000", "case-001"]
    glands = set()
    for case in cases:
        at_start = started(case, preset="fast")
        perfect, before = figures(at_start, at_start.truth), figures(at_start, at_start.pair.initial)
        assert perfect["dsc"] > 0.95 > before["dsc"]
        assert before["displacement_error_mm"] > 1
        # The TRUS was made where the truth says: the whole gland lies in it.
        grid, gland = at_start.us.grid, at_start.us_labels.gland
        assert gland.resampled(grid, interpolation="nearest").array.sum() * 0.5**3 > 0.9 * (
            gland.array.sum() * gland.grid.spacing_mm[0] ** 3
        )
        glands.add(int(gland.array.sum()))
    assert len(glands) == 2


def test_a_cohort_of_one_mr_is_refused(tmp_path, capsys):
    assert mr2us(["simulate", "--out", str(tmp_path / "out"), "--cases", "2", "--mr", "any.nrrd"]) == 2
    assert "leave out --mr or --cases" in capsys.readouterr().err
