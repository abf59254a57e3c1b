"""How the slices are turned, where they are and how close, whatever was shown in them before."""

import numpy as np
import pytest

USUAL = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}


def slices():
    import slicer

    return {logic.GetSliceNode().GetLayoutName(): logic for logic in slicer.app.applicationLogic().GetSliceLogics()}


def cube(name, side_mm, at_mm):
    """A volume around a place on the diagonal of LPS."""
    from MR2USProLib.mrml import volume_node
    from MR2USProLib.volume import Grid, Volume

    step = side_mm / 10
    grid = Grid((10, 10, 10), (step,) * 3, (at_mm - 4.5 * step,) * 3)
    return volume_node(Volume(np.ones(grid.shape, np.float32), grid), name)


def filled_by(volume, views=("Red", "Green", "Yellow")):
    """Whether the slices are turned as is usual, with the volume in their middle and little around it."""
    bounds = np.zeros(6)
    volume.GetRASBounds(bounds)
    middle, sides = bounds.reshape(3, 2).mean(axis=1), np.diff(bounds.reshape(3, 2)).ravel()
    for view in views:
        node = slices()[view].GetSliceNode()
        at = [node.GetSliceToRAS().GetElement(row, 3) for row in range(3)]
        near = np.allclose(at, middle, atol=0.1 * sides.max())
        if not near or node.GetOrientation() != USUAL[view] or min(node.GetFieldOfView()[:2]) > 1.5 * sides.max():
            return False
    return True


def put_aside():
    for logic in slices().values():
        logic.GetSliceNode().JumpSliceByCentering(300.0, 300.0, 300.0)


@pytest.mark.parametrize("way", ["checkerboard", "curtain"])
def test_reviewing_comes_back_from_frames(registerPanel, resultCase, slicerApp, way):
    import slicer

    from MR2USProPanels.sliceViews import showInView

    frames = cube("Frames", 30.0, 400.0)
    for view in ("Red", "Green"):
        showInView(view, frames, orientation="Axial", offsetMm=400.0)
    zoomed = slices()["Yellow"].GetSliceNode()  # which shows the TRUS still
    zoomed.SetFieldOfView(11.0, 12.0, 1.0)
    resultCase.frameOutline = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "Frame on the map")
    resultCase.frameOutline.CreateDefaultDisplayNodes()
    registerPanel.look_by(way)
    assert filled_by(resultCase.trus, ["Red", "Green"])
    assert zoomed.GetFieldOfView()[:2] == (11.0, 12.0)
    assert not resultCase.frameOutline.GetDisplayVisibility()
    put_aside()
    for following in ("overlay", way, "flicker", "translated", "overlay"):
        registerPanel.look_by(following)
        assert not filled_by(resultCase.trus, ["Red"])


def test_reviewing_goes_on_in_a_case_that_is_chosen_again(registerPanel, resultCase, slicerApp):
    from MR2USProPanels import caseDisplay
    from MR2USProPanels.case import newCase, setCurrentCase
    from MR2USProPanels.sliceViews import showInView

    registerPanel.look_by("overlay")
    other = newCase("Other")
    caseDisplay.showOnly(other)
    registerPanel.widget.showCurrentCase()
    for view in ("Red", "Green"):
        showInView(view, cube("Frames", 30.0, 400.0), orientation="Axial", offsetMm=400.0)
    setCurrentCase(resultCase)
    caseDisplay.showOnly(resultCase)
    registerPanel.widget.showCurrentCase()
    slicerApp.process(0.05)
    assert filled_by(resultCase.trus)


def test_another_layout_is_fitted_to_what_lies_below(slicerApp):
    from MR2USProPanels import sliceLayers, sliceViews

    trus, mr = cube("TRUS", 50.0, 0.0), cube("MR", 150.0, 40.0)
    sliceViews.arrange("FourUpPlotView")
    sliceViews.showInAll(trus)
    sliceLayers.show(trus, mr, 0.5)
    slicerApp.process(0.05)
    assert filled_by(trus)


def test_a_view_that_keeps_its_size_in_another_layout_keeps_its_zoom(slicerApp):
    from MR2USProPanels import sliceViews

    sliceViews.showInAll(cube("TRUS", 50.0, 0.0))
    red, green = (slices()[view].GetSliceNode() for view in ("Red", "Green"))
    for node in (red, green):
        node.SetFieldOfView(11.0, 12.0, 1.0)
    sliceViews.arrange("FourUpPlotView")
    width, height, depth = green.GetDimensions()
    green.SetDimensions(width, height + 40, depth)
    slicerApp.process(0.05)
    assert red.GetFieldOfView()[:2] == (11.0, 12.0)
    assert min(green.GetFieldOfView()[:2]) > 40.0


def test_the_volume_is_found_again_by_its_button(slicerApp):
    from MR2USProPanels.case import currentCase
    from MR2USProPanels.reconstructed import MADE_WITH

    panel = slicerApp.openModule("MR2USPro")
    trus = cube("TRUS", 50.0, 0.0)
    trus.SetAttribute(MADE_WITH, "a stitching")
    currentCase().trus = trus
    slicerApp.process(0.05)
    button = next(vars(one)["ui"].showTrusButton for one in panel.sections if one.title == "Fill")
    button.click()
    put_aside()
    assert not filled_by(trus)
    button.click()
    assert filled_by(trus)
