"""What is exported is what holds now, and never beside what came of another patient."""

from types import SimpleNamespace

import pytest

from register_panel import keep_result, markups, targets_in_mr


@pytest.fixture
def exporting(registerPanel, resultCase, knownPair, slicerApp, tmp_path):
    """The section over a case that was registered and whose targets were carried."""
    from MR2USProPanels import exporting
    from MR2USProPanels.exportSection import ExportSection

    _, us, there = knownPair
    slicerApp.process(0.05)
    registerPanel.targets.targetsSelector.check(markups("Lesions", targets_in_mr(us, there)))
    slicerApp.process(0.05)
    registerPanel.targets.carryButton.click()
    logic = SimpleNamespace(exportable=exporting.exportable, export=exporting.export)
    section = ExportSection(logic)
    section.setCase(resultCase)
    yield section
    section.cleanup()


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_what_a_later_registration_has_overtaken_is_left_out(exporting, resultCase, knownPair, slicerApp, tmp_path):
    out, form = tmp_path / "out", exporting.ui
    form.exportPathEdit.currentPath = str(out)
    slicerApp.process(0.05)
    form.exportButton.click()
    assert {"mr_on_trus.nrrd", "targets.csv", "target_1_on_trus.mrk.json"} <= names(out)
    assert not form.leftOutLabel.text

    keep_result(resultCase, knownPair, tmp_path / "again")
    slicerApp.process(0.05)
    assert "targets" in form.leftOutLabel.text
    assert "targets.csv" not in form.contentsLabel.text
    form.exportButton.click()
    assert "mr_on_trus.nrrd" in names(out)
    assert not [name for name in names(out) if name.startswith("target")]

    resultCase.trus = resultCase.warped  # another volume than the one that was registered
    slicerApp.process(0.05)
    assert "registration" in form.leftOutLabel.text
    form.exportButton.click()
    assert names(out) == {"trus.nrrd"}
    assert not slicerApp.messages  # its own export is replaced unasked


def test_nothing_is_written_over_another_export_unasked(exporting, slicerApp, tmp_path):
    out, form = tmp_path / "other", exporting.ui
    out.mkdir()
    for name in ("mr_on_trus.nrrd", "uncertainty.nrrd", "target_7_on_trus.mrk.json", "notes.txt"):
        (out / name).write_text("another patient")
    form.exportPathEdit.currentPath = str(out)
    slicerApp.process(0.05)
    with slicerApp.answering(confirm=False):
        form.exportButton.click()
    assert [level for level, _ in slicerApp.messages] == ["confirm"]
    assert {path.read_text() for path in out.iterdir()} == {"another patient"}
    form.exportButton.click()
    left = [path.name for path in out.iterdir() if path.read_bytes() == b"another patient"]
    assert left == ["notes.txt"]
    slicerApp.messages.clear()


def test_the_folder_of_one_case_is_not_offered_for_the_next(exporting, slicerApp, tmp_path):
    from MR2USProPanels.case import newCase

    form = exporting.ui
    form.exportPathEdit.currentPath = str(tmp_path)
    exporting.setCase(newCase())
    assert not form.exportPathEdit.currentPath


def test_the_folder_of_a_case_is_kept_while_the_module_is_left(exporting, resultCase, slicerApp, tmp_path):
    from MR2USProPanels.case import newCase

    form = exporting.ui
    form.exportPathEdit.currentPath = str(tmp_path / "out")
    slicerApp.process(0.05)
    form.exportButton.click()
    written = str(form.exportedLabel.text)
    exporting.setCase(None)
    exporting.setCase(resultCase)
    assert form.exportPathEdit.currentPath == str(tmp_path / "out")
    assert form.exportedLabel.text == written
    form.exportButton.click()
    assert not slicerApp.messages  # its own export is still known as such
    exporting.setCase(None)
    exporting.setCase(newCase())
    assert not form.exportPathEdit.currentPath
    assert not form.exportedLabel.text
