"""The guided exam in a narrow panel, and by the keyboard alone."""

import numpy as np
import pytest

from reconstruct_panel import put_into

CASE, EXAM, STITCH, FILL, ALIGN, REGISTER, REVIEW, TARGETS, EXPORT, ENVIRONMENT = range(10)
NARROW_PX = 350
LONG = "T2_tse_tra_320_p2_" * 5 + "is a name that a scanner gives"


@pytest.fixture
def panel(slicerApp):
    """The panel with frames in its case and the steps open whose rows are looked at."""
    from MR2USProPanels.case import currentCase

    panel = slicerApp.openModule("MR2USPro")
    put_into(currentCase())
    currentCase().excluded = [3]
    slicerApp.process(0.1)
    collapsed = [button.collapsed for button in panel.buttons]
    yield panel
    for button, was in zip(panel.buttons, collapsed, strict=True):
        button.collapsed = was  # the panel outlives the test


def widgets(panel, step):
    return vars(panel.sections[step])["ui"]


@pytest.mark.parametrize("step", range(CASE, ENVIRONMENT + 1))
def test_a_section_fits_a_narrow_panel_whatever_its_sentences_name(panel, slicerApp, step):
    for n, button in enumerate(panel.buttons):
        button.collapsed = n != step
    slicerApp.process(0.1)
    section = panel.sections[step]
    for widget in vars(section.ui).values():
        if widget.className() == "QLabel" and widget.wordWrap:
            widget.text, widget.visible = LONG, True
    if section.row is not None:
        row = section.row.ui
        row.runButton.text, row.messageLabel.text, row.messageLabel.visible = LONG, LONG, True
    slicerApp.process(0.1)
    assert panel.parent.minimumSizeHint.width() <= NARROW_PX


@pytest.mark.parametrize("start", ["none", "centers", "boxes", "landmarks", "transform"])
def test_every_start_fits_a_narrow_panel(panel, slicerApp, start):
    import slicer

    volumes = [slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", LONG) for _ in range(2)]
    for volume in volumes:
        slicer.util.updateVolumeFromArray(volume, np.zeros((4, 4, 4)))
    section = panel.sections[ALIGN]
    section.case.mr, section.case.trus = volumes
    for n, button in enumerate(panel.buttons):
        button.collapsed = n != ALIGN
    section._onStart(start)
    slicerApp.process(0.1)
    assert panel.parent.minimumSizeHint.width() <= NARROW_PX


def test_a_long_sentence_wraps_in_a_narrow_panel(panel, slicerApp, examVideo):
    for n, button in enumerate(panel.buttons):
        button.collapsed = n != EXAM
    widgets(panel, EXAM).videoPath.currentPath = str(examVideo)
    slicerApp.waitUntil(lambda: not panel.logic.reconstructLogic.runner.busy, 60)
    panel.sections[EXAM].case.sagittalFrames.SetDescription("Nobody knows more about these frames than that. " * 9)
    panel.sections[EXAM].changed()
    slicerApp.process(0.1)
    assert widgets(panel, EXAM).viewsNote.visible
    assert panel.parent.minimumSizeHint.width() <= NARROW_PX
    box = widgets(panel, EXAM).spacingBox
    box.specialValueText = "0.38 and 0.4 mm per pixel, from the file"
    box.suffix = str(box.suffix)  # at which Qt measures the box anew
    slicerApp.process(0.1)
    assert panel.parent.minimumSizeHint.width() <= NARROW_PX


def test_the_table_of_frames_is_as_high_as_its_rows_and_narrowed_again(panel, slicerApp):
    for n, button in enumerate(panel.buttons):
        button.collapsed = n != STITCH
    for width in (700, 480, NARROW_PX):
        panel.parent.resize(width, 900)
        slicerApp.process(0.1)
        assert panel.parent.width == width
    table = widgets(panel, STITCH).framesTable
    assert table.visible
    assert table.rowCount == 1
    assert table.height < 100
    case = panel.sections[STITCH].case
    case.excluded = list(range(20))
    slicerApp.process(0.1)
    assert table.height == 200


@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        (CASE, "prostatePairButton", None),
        (EXAM, "videoPath", None),
        (STITCH, None, "showMapButton"),
        (FILL, "planeOffsetBox", "outlinesBox"),
        (REGISTER, "presetComboBox", "reportButton"),
    ],
)
def test_the_keyboard_reaches_the_button_where_it_is_seen(panel, step, before, after):
    section = panel.sections[step]
    chain, widget = [], section.widget.nextInFocusChain()
    while widget != section.widget:
        chain.append(widget)
        widget = widget.nextInFocusChain()
    run = chain.index(vars(section.row)["ui"].runButton)
    if before:
        assert chain.index(getattr(widgets(panel, step), before)) < run
    if after:
        assert run < chain.index(getattr(widgets(panel, step), after))
