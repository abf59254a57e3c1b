"""The ways in which the section Review shows a result whose truth is known."""

import numpy as np
import pytest

from MR2USProLib.registration import transforms
from oblique_pair import initial
from register_panel import WAYS, keep_result, shown, views


@pytest.mark.parametrize("way", WAYS)
def test_ways_of_looking(registerPanel, resultCase, knownPair, slicerApp, tmp_path, way):
    import slicer

    if way == "uncertainty":
        keep_result(resultCase, knownPair, tmp_path / "sure", uncertainty_mm=0.7)
        slicerApp.process(0.05)
    registerPanel.look_by(way)
    registerPanel.picture(way)
    backgrounds = {node.GetBackgroundVolumeID() for node in views()}
    foregrounds = {node.GetForegroundVolumeID() for node in views()}
    expected = {
        "overlay": (resultCase.trus, resultCase.warped),
        "checkerboard": (resultCase.reviewPicture, None),
        "curtain": (resultCase.reviewPicture, None),
        "flicker": (resultCase.trus, resultCase.warped),
        "deformation": (resultCase.trus, resultCase.magnitude),
        "translated": (resultCase.translatedUs, resultCase.translatedMr),
        "uncertainty": (resultCase.trus, resultCase.uncertainty),
    }[way]
    assert backgrounds == {expected[0].GetID()}
    assert foregrounds == {expected[1].GetID() if expected[1] is not None else None}
    if way == "uncertainty":
        assert registerPanel.review.rangeLabel.text == "Yellow stands for 0 mm, red for 0.7 mm."
        assert slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(resultCase.uncertainty).GetVisibility()
    # Leaving a way of looking leaves nothing of it behind.
    registerPanel.look_by("overlay")
    assert shown((resultCase.trus.GetID(), resultCase.warped.GetID(), 0.5))
    slicerApp.process(0.6)
    assert shown((resultCase.trus.GetID(), resultCase.warped.GetID(), 0.5))
    if way == "uncertainty":
        assert not slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(resultCase.uncertainty).GetVisibility()
    if way == "deformation":
        assert not resultCase.beyondStart.GetDisplayNode().GetVisibility2D()
        assert not slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(resultCase.magnitude).GetVisibility()


def test_flicker_changes_between_the_images(registerPanel, resultCase, slicerApp):
    registerPanel.review.flickerSlider.value = 5.0
    registerPanel.look_by("flicker")
    seen = set()
    for _ in range(8):
        slicerApp.process(0.1)
        seen |= {node.GetForegroundOpacity() for node in views()}
    assert seen == {0.0, 1.0}


@pytest.mark.parametrize("going", ["module", "section"])
def test_a_flicker_that_is_left_leaves_both_images(registerPanel, resultCase, slicerApp, going):
    registerPanel.look_by("flicker")
    if going == "module":
        slicerApp.openModule("MR2USReconstruct")
    else:
        registerPanel.widget.buttons[2].collapsed = True
    slicerApp.process(0.7)
    registerPanel.widget.buttons[2].collapsed = False  # the panel outlives the test
    assert shown((resultCase.trus.GetID(), resultCase.warped.GetID(), 0.5))


@pytest.mark.parametrize("tile", [6.0, 12.0])
def test_tiles_have_the_stated_size_and_alternate(registerPanel, resultCase, tile):
    import slicer

    registerPanel.review.tileSlider.value = tile
    registerPanel.look_by("checkerboard")
    asShown = registerPanel.logic.pictures.asShown
    mr, us = asShown(resultCase.warped), asShown(resultCase.trus)
    board = slicer.util.arrayFromVolume(resultCase.reviewPicture)
    k, j, i = np.indices(board.shape)
    spacing = resultCase.trus.GetSpacing()
    cells = [((index + 0.5) * step // tile).astype(int) for index, step in zip((i, j, k), spacing, strict=True)]
    odd = sum(cells) % 2 == 1
    np.testing.assert_array_equal(board, np.where(odd, us, mr))
    assert 0.3 < odd.mean() < 0.7
    assert np.mean(mr != us) > 0.5


def test_the_curtain_hangs_where_the_slider_is(registerPanel, resultCase, slicerApp):
    import slicer

    review = registerPanel.review
    registerPanel.look_by("curtain")
    asShown = registerPanel.logic.pictures.asShown
    mr, us = asShown(resultCase.warped), asShown(resultCase.trus)
    for axis, array, reverse in (("right-left", 2, False), ("front-back", 1, True), ("feet-head", 0, True)):
        registerPanel.choose(review.curtainAxisComboBox, axis, ["right-left", "front-back", "feet-head"])
        review.curtainSlider.value = 25.0
        slicerApp.process(0.05)
        found = np.moveaxis(slicer.util.arrayFromVolume(resultCase.reviewPicture), array, 0)
        first, second = np.moveaxis(mr, array, 0), np.moveaxis(us, array, 0)
        if reverse:
            found, first, second = found[::-1], first[::-1], second[::-1]
        edge = len(found) // 4
        np.testing.assert_array_equal(found[:edge], first[:edge])
        np.testing.assert_array_equal(found[edge:], second[edge:])


def test_before_and_after_keep_position_and_zoom(registerPanel, resultCase, slicerApp):
    import slicer

    nodes = slicer.util.getNodesByClass("vtkMRMLSliceNode")
    for n, node in enumerate(nodes):
        node.SetSliceOffset(node.GetSliceOffset() + 3 + n)
        width, height, depth = node.GetFieldOfView()
        node.SetFieldOfView(width / 2, height / 2, depth)
    registerPanel.picture("closer")  # the views take their size when they are first drawn
    before = [(node.GetSliceOffset(), node.GetFieldOfView()) for node in nodes]
    review = registerPanel.review
    review.beforeButton.click()
    slicerApp.process(0.05)
    assert shown((resultCase.trus.GetID(), resultCase.before.GetID(), 0.5))
    registerPanel.picture("before")
    review.afterButton.click()
    slicerApp.process(0.05)
    assert shown((resultCase.trus.GetID(), resultCase.warped.GetID(), 0.5))
    assert [(node.GetSliceOffset(), node.GetFieldOfView()) for node in nodes] == before


def test_the_deformation_is_shown_without_the_start(registerPanel, resultCase, knownPair):
    import slicer

    _, us, there = knownPair
    registerPanel.look_by("deformation")
    points = us.grid.points()
    start = transforms.as_affine(initial())
    full = points + transforms.displacement_on(us.grid, there).array
    back = transforms.map_points(full, start.GetInverse())
    lengths = slicer.util.arrayFromVolume(resultCase.magnitude)
    np.testing.assert_allclose(lengths, np.linalg.norm(back - points, axis=-1), atol=1e-3)
    assert f"{lengths.max():.1f} mm" in registerPanel.review.rangeLabel.text
    assert 2.0 < lengths.max() < 4.0
