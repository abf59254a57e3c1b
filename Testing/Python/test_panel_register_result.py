"""What a registration leaves in the scene, and what the section Register says of it."""

import json
import pathlib
from urllib.parse import urlparse
from urllib.request import url2pathname

import numpy as np
import SimpleITK as sitk

from MR2USProLib.registration import transforms
from oblique_pair import initial
from register_panel import FLIP, keep_result


def opened_report(app):
    """The text of the page that was last given to the web browser."""
    return pathlib.Path(url2pathname(urlparse(app.openedUrls[-1]).path)).read_text("utf-8")


def brought_to_mr(deformation, grid):
    """Points of the TRUS, and where the deformation's node takes them in the MR, LPS mm."""
    import slicer
    import vtk

    toMr = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, deformation, toMr)
    points = grid.points()[4:-4:6, 4:-4:8, 4:-4:8].reshape(-1, 3)
    return points, np.array([toMr.TransformPoint(point) for point in (points * FLIP).tolist()]) * FLIP


def test_nodes_are_what_the_files_say(resultCase, knownPair):
    import slicer

    mr, us, there = knownPair
    resampled = sitk.GetArrayFromImage(
        sitk.Resample(mr.to_sitk(), us.grid.to_sitk(), there, sitk.sitkLinear, float(mr.array.min()))
    )
    found = slicer.util.arrayFromVolume(resultCase.warped)
    assert np.abs(found - resampled).max() < 0.01 * np.ptp(mr.array)
    moving = slicer.vtkMRMLTransformNode.GetMovingNodeReferenceRole()
    assert resultCase.deformation.GetNodeReference(moving) is resultCase.mr
    assert resultCase.metrics.GetNumberOfRows() > 5
    # The deformation, put above the MR itself, warps it as the result is warped.
    points, theirs = brought_to_mr(resultCase.deformation, us.grid)
    np.testing.assert_allclose(theirs, transforms.map_points(points, there), atol=0.05)


def test_a_doubtful_deformation_can_be_let_go_of(registerPanel, resultCase, knownPair, slicerApp):
    import slicer

    mr, us, _ = knownPair
    form = registerPanel.register
    assert not form.undeformButton.visible
    figures = json.loads(resultCase.registerResults)
    quality = {"doubtful": True, "doubts": ["The deformation parts the glands as they are seen in their boxes."]}
    followed = {"followed": True, "parts_glands": False}
    resultCase.registerResults = json.dumps({**figures, "quality": quality, "structure": followed})
    slicerApp.process(0.05)
    assert form.undeformButton.visible
    assert "This result is doubtful. The deformation parts the glands" in form.verdictLabel.text
    assert "the MR was moved by it" in form.verdictLabel.text
    registerPanel.picture("doubtful")

    form.reportButton.click()
    assert opened_report(slicerApp) == resultCase.report.GetText()
    form.undeformButton.click()
    slicerApp.process(0.05)
    form.reportButton.click()
    page = opened_report(slicerApp)
    assert 0 < page.index("was let go of") < page.index("It was moved.")
    start = transforms.as_affine(initial())
    expected = transforms.warp(mr, us.grid, start).array
    np.testing.assert_allclose(slicer.util.arrayFromVolume(resultCase.warped), expected, atol=1e-3)
    points, theirs = brought_to_mr(resultCase.deformation, us.grid)
    np.testing.assert_allclose(theirs, transforms.map_points(points, start), atol=0.05)
    assert "kept undeformed" in form.verdictLabel.text
    assert "moved" not in form.verdictLabel.text
    assert "fold" not in form.verdictLabel.text
    assert not form.undeformButton.visible
    registerPanel.picture("undeformed")


def test_the_sign_beside_the_verdict_tells_how_good_the_news_is(registerPanel, resultCase):
    from MR2USProPanels import registerWords

    figures = json.loads(resultCase.registerResults)
    assert registerWords.level(figures) == "note"  # only the eye can judge
    worse, better = ({"dsc": 0.7, "tre_mm": 5.0}, {"dsc": 0.9, "tre_mm": 2.0})
    assert registerWords.level({**figures, "before": worse, "after": better}) == "good"
    assert registerWords.level({**figures, "before": better, "after": worse}) == "bad"
    guided = {"before": worse, "after": better, "guidance": {"masks": ["moving", "fixed"]}}
    assert registerWords.level({**figures, **guided}) == "note"
    doubtful = {"quality": {"doubtful": True, "doubts": ["It folds."]}}
    assert registerWords.level({**figures, **doubtful}) == "check"
    assert registerWords.level({**figures, **doubtful, registerWords.UNDEFORMED: True}) == "note"
    assert registerPanel.register.verdictIcon.visible
    assert registerPanel.run.text == "Register again"


def test_the_uncertainty_comes_and_goes_with_its_registration(
    registerPanel, resultCase, knownPair, slicerApp, tmp_path
):
    import slicer

    from MR2USProPanels.exporting import exportable

    assert resultCase.uncertainty is None
    for n, known in enumerate((True, False)):
        keep_result(resultCase, knownPair, tmp_path / f"job {n}", uncertainty_mm=0.25 if known else None)
        slicerApp.process(0.05)
        assert (resultCase.uncertainty is not None) == known
        if known:
            assert np.all(slicer.util.arrayFromVolume(resultCase.uncertainty) == 0.25)
            table = registerPanel.register.figuresTable
            rows = [table.item(n, 0).text() for n in range(table.rowCount)]
            assert "Uncertainty of the shift in the gland, mean" in rows
            resultCase.review = "uncertainty"
            assert "uncertainty.nrrd" in exportable(resultCase)
    assert slicer.mrmlScene.GetFirstNodeByName("Uncertainty (mm)") is None
    assert resultCase.review == "overlay"


def test_says_in_words_what_came_of_it(registerPanel, resultCase):
    register = registerPanel.register
    assert "does not fold" in register.verdictLabel.text
    assert "only your eye" in register.verdictLabel.text
    texts = [register.figuresTable.item(row, 0).text() for row in range(register.figuresTable.rowCount)]
    assert "Shift beyond the start, mean" in texts
    assert resultCase.mr.GetTransformNodeID() is None  # the MR is back where its file puts it
    register.figuresBox.collapsed = False
    registerPanel.picture("result")
    register.figuresBox.collapsed = True


def test_a_result_that_is_worse_than_the_start_is_called_so(slicerApp):
    from MR2USProLib.registration.quality import Quality
    from MR2USProPanels.registerWords import rows, verdict

    def metrics(dsc, tre, folded=0.0):
        sides = [{"dsc": d, "iou": None, "asd_mm": None, "hd95_mm": None, "tre_mm": t, "tre_points_mm": [t]}
                 for d, t in zip(dsc, tre, strict=True)]  # fmt: skip
        return {
            "before": sides[0],
            "after": sides[1],
            "structures": ["cyst"],
            "deformation": {
                "mean_mm": 1.0,
                "p95_mm": 2.0,
                "max_mm": 3.0,
                "folding": {"fraction": folded, "least_determinant": 0.5, "sd_log_determinant": 0.1},
                "harmonic_energy": {"voxel_sum": 1.0, "voxel_mean": 0.1, "mm": 1.0},
            },
            "quality": Quality(None, None, 0.0, folded, None).as_dict(),
            "translation": {"reasons": ["The losses went blind."], "edges_mr": 1, "edges_us": 1, "gap_before": 1,
                            "gap_after": 1},
            "valid_share_of_region": 0.9,
        }  # fmt: skip

    better = " ".join(verdict(metrics((0.7, 0.9), (5.0, 2.0))))
    assert "0.70 before, 0.90 after, better" in better
    assert "do not" not in better
    for dsc, tre in (((0.9, 0.7), (2.0, 2.0)), ((0.9, 0.9), (2.0, 5.0))):
        assert "do not use it" in verdict(metrics(dsc, tre))[0]
    for folded, share in ((0.001, "0.10 %"), (1e-6, "less than 0.01 %")):
        folds = metrics((0.9, 0.9), (2.0, None), folded)
        assert [text for text in verdict(folds) if "fold" in text] == [
            f"This result is doubtful. The deformation folds {share} of the tissue over itself."
        ]
        assert ("Folded voxels", "", share, "") in rows(folds)
    assert "The losses went blind." in better
    assert rows(metrics((0.7, 0.9), (5.0, 2.0)))[5] == ("Landmark cyst", "5.00", "2.00", "mm")


def test_says_what_moved_the_mr_where_the_pictures_did_not(slicerApp):
    from MR2USProPanels.registerWords import verdict

    metrics = {
        "start": {"glands_recognised": False, "likeness": 0.1, "moved_mm": 0.0, "kept": True},
        "structure": {"agreement": 0.1, "disagreement_mm": 4.0, "followed": False, "parts_glands": False},
        "deformation": {"mean_mm": 1.0, "p95_mm": 2.0, "max_mm": 3.0, "folding": {"fraction": 0.0}},
        "valid_share_of_region": 0.9,
    }
    unguided = " ".join(verdict(metrics))
    assert "The MR stays where the start brought it" in unguided
    assert "the start stayed where you put it" in unguided
    known = {"glands_recognised": True, "likeness": 0.9, "moved_mm": 2.5, "kept": False}
    assert "moved the start by 2.5 mm" in " ".join(verdict({**metrics, "start": known}))
    assert "lie on each other already" in " ".join(verdict({**metrics, "start": {**known, "kept": True}}))
    guided = " ".join(verdict({**metrics, "guidance": {"masks": [], "points": 2, "points_mean_mm": 1.0}}))
    assert "stays where" not in guided
    assert "Only what you drew and marked in both images moved it." in guided
    assert "only your points moved the start" in guided
