"""The section that shows what the worker runs on, and what happens where something is missing there."""

import json
import sys

import pytest

from reconstruct_panel import button, put_into


@pytest.fixture
def panel(slicerApp, monkeypatch):
    """The section, with nothing known of the worker."""
    monkeypatch.setattr("MR2USProPanels.environment._shared", None)
    from MR2USProPanels.environmentSection import EnvironmentSection

    section = EnvironmentSection()
    yield section
    section.cleanup()


def widgets(section):
    return vars(section)["ui"]


def wait(app, section):
    app.waitUntil(lambda: not section._environment.runner.busy, 60)
    app.process(0.05)


def test_a_look_tells_what_the_worker_has(panel, slicerApp):
    shown = widgets(panel)
    assert "Not checked yet" in shown.environmentLabel.text
    assert not shown.installButton.enabled
    shown.lookButton.click()
    assert shown.lookButton.text == "Checking ..."
    wait(slicerApp, panel)
    assert "Everything that MR2USPro needs is installed." in shown.environmentLabel.text
    assert f"Python {sys.version.split()[0]}" in shown.environmentLabel.text
    names = [shown.packagesTable.item(row, 0).text() for row in range(shown.packagesTable.rowCount)]
    assert {"torch", "SimpleITK", "monai"} <= set(names)
    assert panel._environment.presetText("fast", "self-similarity").startswith("about ")


def worker_that_finds(tmp_path, monkeypatch, **found):
    results = {
        "python": sys.version.split()[0], "packages": [], "torch": None, "device": "cpu", "device_name": "CPU",
        "trouble": "", "cores": 2, "memory_gb": 8.0, "memory_free_gb": 1.0, "presets": {}, **found,
    }  # fmt: skip
    manifest = {"kind": "environment", "results": results, "files": []}
    python = tmp_path / "python"
    python.write_text(
        f"#!{sys.executable}\nimport os, sys\n"
        f"open(os.path.join(os.path.dirname(sys.argv[-1]), 'manifest.json'), 'w').write({json.dumps(manifest)!r})\n"
    )
    python.chmod(0o755)
    monkeypatch.setattr("MR2USProPanels.jobRunner.workerPython", lambda: str(python))


def test_a_look_of_another_day_says_nothing_of_free_memory(panel, slicerApp, tmp_path, monkeypatch):
    from MR2USProPanels.environment import Environment

    presets = {"self-similarity": {"fast": {"seconds": 40.0, "memory_gb": 4.0}}}
    worker_that_finds(tmp_path, monkeypatch, presets=presets)
    widgets(panel).lookButton.click()
    wait(slicerApp, panel)
    assert "only 1.0 GB are free" in panel._environment.presetText("fast", "self-similarity")
    again = Environment()
    assert again.presetText("fast", "self-similarity") == "about 40 s and 4.0 GB of memory"
    monkeypatch.setattr("MR2USProPanels.environment.__version__", "another")
    assert Environment().found == {}
    again.runner.cleanup()


def test_what_is_missing_is_named_and_installed_only_after_asking(panel, slicerApp, tmp_path, monkeypatch):
    missing = {"name": "a-package-that-nobody-has", "required": ">=3", "installed": None, "enough": False}
    old = {"name": "numpy", "required": ">=9", "installed": "2.0", "enough": False}
    worker_that_finds(tmp_path, monkeypatch, packages=[missing, old])
    shown = widgets(panel)
    shown.lookButton.click()
    wait(slicerApp, panel)
    assert "Missing: a-package-that-nobody-has, numpy." in shown.environmentLabel.text
    assert shown.packagesTable.item(0, 2).text() == "missing"
    assert shown.packagesTable.item(1, 2).text() == "2.0 (too old)"
    assert shown.installButton.enabled

    needed = tmp_path / "requirements.txt"
    needed.write_text("a-package-that-nobody-has>=3\n")
    monkeypatch.setattr("MR2USProPanels.environment.REQUIREMENTS", needed)
    with slicerApp.answering(confirm=False):
        shown.installButton.click()
        wait(slicerApp, panel)
    assert [level for level, _ in slicerApp.messages if level == "install"] == []
    assert any("were not installed" in text for level, text in slicerApp.messages if level == "error")
    with slicerApp.answering(confirm=True):
        shown.installButton.click()
        wait(slicerApp, panel)
    assert [text for level, text in slicerApp.messages if level == "install"] == ["a-package-that-nobody-has>=3"]


def test_a_graphics_card_that_does_not_compute_is_told(panel, slicerApp, tmp_path, monkeypatch):
    worker_that_finds(tmp_path, monkeypatch, trouble="The CUDA device does not compute (no kernel image)")
    shown = widgets(panel)
    shown.lookButton.click()
    wait(slicerApp, panel)
    assert "does not compute (no kernel image): the CPU is used." in shown.environmentLabel.text
    shown.deviceComboBox.currentIndex = 1
    assert "does not compute" not in shown.environmentLabel.text


def test_a_job_says_that_it_runs_on_the_cpu_instead(slicerApp, tmp_path):
    """The real worker, asked for a CUDA device that this machine does not have."""
    from MR2USProLib.devices import working_device

    if working_device("cuda")[0] == "cuda":
        pytest.skip("this machine has a CUDA device")
    import qt

    panel = slicerApp.openModule("MR2USReconstruct")
    exam, stitch, fill, _environment = panel.sections
    put_into(exam.case)
    slicerApp.process(0.05)
    qt.QSettings().setValue("MR2USPro/Device", "cuda")
    exam.case.fillMethod, exam.case.voxelMm = "dip", 1.0
    button(stitch).click()
    slicerApp.waitUntil(lambda: not panel.logic.runner.busy, 120)
    slicerApp.process(0.05)
    button(fill).click()
    label = vars(fill.row)["ui"].messageLabel
    slicerApp.waitUntil(lambda: "CUDA" in label.text, 120)
    assert label.visible
    assert label.text.splitlines()[0] == "PyTorch finds no CUDA device: this runs on the CPU instead."
    panel.logic.runner.cancel()
    slicerApp.waitUntil(lambda: not panel.logic.runner.busy, 10)


def test_the_device_is_the_same_in_all_panels(panel, slicerApp):
    from MR2USProPanels.environment import device
    from MR2USProPanels.environmentSection import EnvironmentSection

    other = EnvironmentSection()
    box = widgets(other).deviceComboBox
    before = box.currentIndex
    widgets(panel).deviceComboBox.currentIndex = before + 1
    assert device() == "cpu"
    assert box.currentIndex == before + 1
    other.cleanup()
