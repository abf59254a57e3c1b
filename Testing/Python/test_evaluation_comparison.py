"""Means, spreads and paired comparisons of a cohort, against numbers worked out by hand."""

import numpy as np
import pytest

from MR2USProLib.commands.cohort_tables import changed, table_told
from MR2USProLib.evaluation.comparison import Row, change, spread, told_apart
from MR2USProLib.report.page import Mark, Table
from MR2USProLib.report.tables import markdown


def rows(method, values, patients=None):
    patients = patients or [f"p{n}" for n in range(len(values))]
    return [
        Row(f"c{n}", patient, 0, method, {"tre_mm": value})
        for n, (value, patient) in enumerate(zip(values, patients, strict=True))
    ]


def test_the_spread_leaves_out_what_was_not_measured():
    found = spread([*rows("start", [2.0, 4.0, None, 9.0, float("nan")]), Row("x", "x", 0, "start", {})], "tre_mm")
    assert (found.count, found.mean) == (3, 5.0)
    assert found.sd == pytest.approx(np.sqrt(13))  # (9 + 1 + 16) / 2


def test_one_case_has_no_spread_and_none_has_no_mean():
    assert np.isnan(spread(rows("start", [2.0]), "tre_mm").sd)
    assert np.isnan(spread([], "tre_mm").mean)


def test_a_change_is_measured_pair_by_pair():
    start, end = rows("start", [5.0, 6, 7, 8, None]), rows("m", [4.0, 4, 8, 4, 1])
    found = change(start, end[::-1], "tre_mm", more_is_better=False)
    assert (found.count, found.mean, found.worse) == (4, -1.5, 0.25)
    assert change(start, end, "tre_mm", more_is_better=True).worse == 0.75


def test_the_test_is_wilcoxons():
    # Five patients, all better: of 32 patterns of signs, two are as extreme.
    found = change(rows("a", [5.0, 6, 7, 8, 9]), rows("b", [4.9, 5, 5, 5, 5]), "tre_mm", more_is_better=False)
    assert found.p == pytest.approx(2 / 32)


def test_pairs_of_one_patient_count_as_one_witness():
    patients = ["a", "a", "a", "b", "c", "d", "e"]
    start, end = rows("s", [5.0] * 7, patients), rows("m", [4.0, 3.5, 3.6, 3, 2, 1, 0], patients)
    assert change(start, end, "tre_mm", more_is_better=False).p == pytest.approx(2 / 32)
    assert change(start, end, "tre_mm", more_is_better=False).count == 7


def test_a_change_that_rounds_to_nothing_has_no_sign():
    shown = changed(rows("a", [5.0, 6.0]), rows("b", [4.9995, 6.0]), "tre_mm", 2, more_is_better=False)
    assert shown.text.startswith("+0.00 ")


def test_no_change_is_none():
    same = change(rows("s", [5.0, 6]), rows("m", [5.0, 6]), "tre_mm", more_is_better=False)
    assert (same.mean, same.p, same.worse) == (0.0, 1.0, 0.0)
    alone = change(rows("s", [5.0]), rows("m", [4.0]), "tre_mm", more_is_better=False)
    assert np.isnan(alone.p)
    assert change([], rows("m", [4.0]), "tre_mm", more_is_better=False).count == 0


SEEN = ("overlap_seen", "overlap_seen_at_start")


def told(start, results):
    """Rows from (DSC, overlap seen) in the end, where the start's DSC is given and 0.8 was seen."""
    before = [Row(f"c{n}", f"p{n}", 0, "start", {"dsc": dsc}) for n, dsc in enumerate(start)]
    after = [
        Row(f"c{n}", f"p{n}", 0, "m", {"dsc": dsc, "overlap_seen": seen, "overlap_seen_at_start": 0.8})
        for n, (dsc, seen) in enumerate(results)
    ]
    return before, after


def test_what_got_worse_is_told_as_often_as_a_pair_of_results_is_ranked_rightly():
    # Worse: the first two. Of the four pairs of a worse and a better one, the sign ranks three rightly.
    before, after = told([0.7, 0.7, 0.7, 0.7, None], [(0.6, 0.5), (0.65, 0.85), (0.8, 0.9), (0.9, 0.82), (0.9, 0.9)])
    found = told_apart(before, after, "dsc", *SEEN, more_is_better=True)
    assert (found.count, found.worse, found.area) == (4, 2, 0.75)
    # Read as an error instead, the last two are the worse ones.
    found = told_apart(before, after, "dsc", *SEEN, more_is_better=False)
    assert (found.count, found.worse, found.area) == (4, 2, 0.25)


def test_where_nothing_got_worse_there_is_nothing_to_tell():
    found = told_apart(*told([0.7, 0.7], [(0.8, 0.9), (0.9, 0.7)]), "dsc", *SEEN, more_is_better=True)
    assert (found.count, found.worse) == (2, 0)
    assert np.isnan(found.area)
    assert told_apart([], [], "dsc", *SEEN, more_is_better=True).count == 0


def test_the_table_of_what_is_told_is_there_only_where_a_finder_looked():
    before, after = told([0.7, 0.7], [(0.6, 0.5), (0.8, 0.9)])
    table = table_told({"start": before, "m": after, "other": after})
    assert [line[0] for line in table.rows] == ["m", "other", "together"]
    assert table.rows[0][1:3] == ("1 of 2", "1.00")
    assert table_told({"start": before, "m": before}) is None


def test_a_table_in_markdown():
    text = markdown(Table("Scores", ("Name", "a|b"), (("x", "1"), ("y", Mark("2, better", True)))))
    assert text == "**Scores**\n\n| Name | a\\|b |\n| --- | --- |\n| x | 1 |\n| y | 2, better |\n"
