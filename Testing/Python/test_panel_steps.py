"""Steps of the guided exam that somebody goes back to, and what the views show meanwhile."""

import pytest

from reconstruct_panel import background, button, put_into
from register_panel import keep_result, shown

CASE, EXAM, STITCH, FILL, ALIGN, REGISTER, REVIEW, TARGETS, EXPORT = range(9)


class Guide:
    """The panel MR2USPro over a case with frames and a registration."""

    def __init__(self, app):
        self.app, self.panel = app, app.openModule("MR2USPro")

    @property
    def case(self):
        from MR2USProPanels.case import currentCase

        return currentCase()

    @property
    def opened(self):
        return [n for n, heading in enumerate(self.panel.buttons) if not heading.collapsed and CASE < n <= EXPORT]

    def leave_and_come_back(self):
        self.app.openModule("MR2USReconstruct")
        self.app.openModule("MR2USPro")
        self.app.process(0.05)

    def form(self, step):
        return vars(self.panel.sections[step])["ui"]

    def open(self, *steps):
        for n, heading in enumerate(self.panel.buttons):
            heading.collapsed = n not in steps
        self.app.process(0.05)


@pytest.fixture
def guide(slicerApp, knownPair, tmp_path):
    from MR2USProLib.mrml import volume_node

    guide = Guide(slicerApp)
    collapsed = [heading.collapsed for heading in guide.panel.buttons]
    put_into(guide.case)
    mr, us, _ = knownPair
    guide.case.mr, guide.case.trus = volume_node(mr, "T2"), volume_node(us, "TRUS volume")
    keep_result(guide.case, knownPair, tmp_path / "job")
    slicerApp.process(0.1)
    yield guide
    for heading, was in zip(guide.panel.buttons, collapsed, strict=True):
        heading.collapsed = was  # the panel outlives the test


def look_at_frame(form, frame):
    form.frameSlider.value = frame - 1  # where a slider stands already, nothing is heard of it
    form.frameSlider.value = frame


@pytest.mark.parametrize("steps", [(STITCH,), (STITCH, REVIEW)])
def test_frames_stay_in_the_views_while_they_are_decided_on(guide, slicerApp, steps):
    case, form = guide.case, guide.form(STITCH)
    assert shown((case.trus.GetID(), case.warped.GetID(), 0.5))
    guide.open(*steps)
    look_at_frame(form, 7)
    slicerApp.process(0.05)
    assert background("Red")[0] is case.sagittalFrames
    form.excludeButton.click()
    slicerApp.process(0.05)
    assert case.excluded == [7]
    assert background("Red") == (case.sagittalFrames, 7.0)
    guide.open(REVIEW)
    guide.form(REVIEW).afterButton.click()
    slicerApp.process(0.05)
    assert shown((case.trus.GetID(), case.warped.GetID(), 0.5))


def test_reviewing_goes_on_when_its_section_is_opened_again(guide, slicerApp):
    case = guide.case
    guide.form(REVIEW).reviewComboBox.setCurrentIndex(3)
    guide.open(STITCH)
    look_at_frame(guide.form(STITCH), 7)
    slicerApp.process(0.6)  # and nothing flickers over the frames
    assert background("Red")[0] is case.sagittalFrames
    assert not guide.panel.sections[REVIEW]._timer.active
    guide.open(REVIEW)
    assert background("Red")[0] is case.trus
    assert guide.panel.sections[REVIEW]._timer.active


def test_the_steps_that_are_open_stay_so_while_the_module_is_left(guide, slicerApp):
    guide.open(TARGETS)
    guide.leave_and_come_back()  # as to draw what is to be carried
    assert guide.opened == [TARGETS]


def test_a_stitching_is_shown_that_began_before_the_module_was_left(guide, slicerApp):
    guide.open(STITCH)
    button(guide.panel.sections[STITCH]).click()
    runner = guide.panel.logic.reconstructLogic.runner
    assert runner.busy
    guide.leave_and_come_back()
    slicerApp.waitUntil(lambda: not runner.busy, 120)
    slicerApp.process(0.05)
    assert guide.opened == [STITCH, FILL]  # and not what follows the registration, which is there already
    assert background("Yellow")[0] is guide.case.map
    assert background("Red")[0] is guide.case.sagittalFrames


def test_a_sample_that_comes_while_another_module_is_open_waits_there(guide, slicerApp, tmp_path):
    import slicer

    from MR2USPro import SimulatedExam
    from MR2USProPanels.case import newCase
    from MR2USProPanels.sliceLayers import layers

    asked, mr = newCase("Empty"), slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "MR")
    segmentations = [slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode") for _ in range(2)]
    slicerApp.openModule("MR2USReconstruct")
    before = layers()
    guide.panel.sections[CASE]._onSimulated(asked, SimulatedExam(tmp_path, mr, *segmentations))
    slicerApp.process(0.05)
    assert asked.mr is mr
    assert layers() == before
    assert {section.case for section in guide.panel.sections} == {None}
    slicerApp.openModule("MR2USPro")
    slicerApp.process(0.05)
    assert guide.form(CASE).caseMrSelector.currentNode() is mr
    assert background("Red")[0] is mr


def test_another_case_begins_with_its_first_frame(guide, slicerApp):
    from MR2USProPanels.case import newCase

    guide.open(STITCH)
    form = guide.form(STITCH)
    look_at_frame(form, 7)
    guide.leave_and_come_back()
    assert form.frameSlider.value == 7
    put_into(newCase())
    guide.panel.showCurrentCase()
    assert form.frameSlider.value == 0


@pytest.mark.parametrize("field", ["before", "deformation", "trus"])
def test_a_result_of_which_something_was_deleted_is_not_called_missing(guide, slicerApp, field):
    import slicer

    slicer.mrmlScene.RemoveNode(getattr(guide.case, field))
    guide.open(REVIEW)
    assert guide.form(REVIEW).whatLabel.text.endswith("was deleted. Register again.")


def test_a_volume_says_when_its_frames_were_deleted(guide, slicerApp):
    import slicer

    from MR2USProPanels.positionsChart import suspectsNode
    from MR2USProPanels.reconstructed import MADE_WITH

    case, form = guide.case, guide.form(FILL)
    case.positions, case.stitchResults = suspectsNode([], "Positions"), '{"identity": "another"}'
    case.trus.SetAttribute(MADE_WITH, "one")
    slicerApp.process(0.05)
    assert form.resultLabel.text.startswith("This volume is older than the stitching")
    slicer.mrmlScene.RemoveNode(case.sagittalFrames)
    slicerApp.process(0.05)
    assert form.resultLabel.text.startswith("What this volume was made of was deleted")


def test_a_deformation_is_not_drawn_over_frames(guide, slicerApp):
    import slicer

    case = guide.case
    guide.form(REVIEW).reviewComboBox.setCurrentIndex(4)
    slicerApp.process(0.05)
    grid, legend = case.beyondStart.GetDisplayNode(), slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode
    assert grid.GetVisibility2D()
    guide.open(STITCH, REVIEW)
    look_at_frame(guide.form(STITCH), 7)
    assert not grid.GetVisibility2D()
    assert not legend(case.magnitude).GetVisibility()
    guide.form(REVIEW).opacitySlider.value = 40.0
    slicerApp.process(0.05)
    assert shown((case.trus.GetID(), case.magnitude.GetID(), 0.4))
    assert grid.GetVisibility2D()


def test_a_case_that_is_chosen_again_shows_its_result_and_no_empty_plot(guide, slicerApp):
    import slicer

    from MR2USProPanels.positionsChart import chartNode, suspectsNode
    from MR2USProPanels.sliceViews import arrange

    case, manager, form = guide.case, slicer.app.layoutManager(), guide.form(CASE)
    case.positions = suspectsNode([], "Positions")
    case.chart = chartNode(case.positions, [], "Course")
    case.frameOutline = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "Frame on the map")
    case.frameOutline.CreateDefaultDisplayNodes()
    arrange("FourUpPlotView")
    guide.open(TARGETS)
    form.newCaseButton.click()
    slicerApp.process(0.05)
    assert manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
    form.caseComboBox.activated(0)
    slicerApp.process(0.05)
    guide.open(TARGETS)
    assert shown((case.trus.GetID(), case.warped.GetID(), 0.5))
    assert not case.frameOutline.GetDisplayVisibility()


def test_the_weights_of_loftr_are_the_same_in_all_panels(guide, slicerApp, tmp_path):
    guide.leave_and_come_back()  # the other panel is there already
    guide.form(STITCH).weightsPath.currentPath = str(tmp_path / "loftr.ckpt")
    panel = slicerApp.openModule("MR2USReconstruct")
    form = vars(panel.sections[1])["ui"]
    assert form.weightsPath.currentPath == str(tmp_path / "loftr.ckpt")
