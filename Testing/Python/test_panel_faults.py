"""Whatever a worker does wrong, the panel says what to do and is idle again, ready for the next try."""

import os
import pathlib
import sys
import time

import pytest

from reconstruct_panel import ReconstructPanel, button, message, put_into

PRELUDE = "import json, os, signal, sys, time\njob = sys.argv[-1]\nfolder = os.path.dirname(job)\n"

FAULTS = {
    "dies at once": ("raise ModuleNotFoundError(\"No module named 'cv2'\")", "look at the packages under Environment"),
    "dies midway": (
        """print('{"event": "progress", "stage": "Stitch", "fraction": 0.5, "message": "half"}', flush=True)
time.sleep(0.3)
os.kill(os.getpid(), signal.SIGKILL)""",
        "most often because memory ran out",
    ),
    "prints half a character": (
        """sys.stdout.buffer.write('{"event": "notice", "message": "Gr\\u00f6'.encode()[:-1])
sys.stdout.flush()
sys.exit(1)""",
        "could not begin its work",
    ),
    "ends without a manifest": ("print(json.dumps({'event': 'done'}))", "without leaving a result"),
    "fills the disk": (
        """print('{"event": "error", "kind": "input", "message": "The disk is full: free some space and start again."}')
sys.exit(2)""",
        "The disk is full: free some space",
    ),
    "lacks a package": (
        """print('{"event": "error", "kind": "missing", "message": "The Python package cv2 is not installed."}')
sys.exit(1)""",
        "Install what is missing under Environment",
    ),
}


@pytest.fixture
def panel(slicerApp, tmp_path):
    found = ReconstructPanel(slicerApp, tmp_path / "pictures")
    put_into(found.case)
    slicerApp.process(0.05)
    yield found
    if found.widget.logic.runner.current is not None:
        found.widget.logic.runner.current.remove()  # what a job that failed left for its user


@pytest.fixture
def worker(monkeypatch, tmp_path):
    """Replace the worker's Python by a script."""

    def use(script):
        python = tmp_path / "python"
        python.write_text(f"#!{sys.executable}\n{PRELUDE}{script}\n")
        python.chmod(0o755)
        monkeypatch.setattr("MR2USProPanels.jobRunner.workerPython", lambda: str(python))

    return use


def is_idle(panel):
    return not panel.widget.logic.runner.busy and button(panel.stitch).enabled and button(panel.stitch).text == "Stitch"


@pytest.mark.skipif(os.name == "nt", reason="the scripts are started by their first line")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_worker_that(panel, worker, fault):
    script, words = FAULTS[fault]
    worker(script)
    panel.press(panel.stitch)
    panel.look(fault.replace(" ", "-"))
    assert words in message(panel.stitch)
    assert is_idle(panel)
    row = vars(panel.stitch.row)["ui"]
    assert row.messageIcon.visible
    assert row.openFolderButton.visible
    row.openFolderButton.click()
    folder = pathlib.Path(panel.widget.logic.runner.current.job.folder)
    assert panel.app.openedUrls[-1].endswith(folder.name)
    assert (folder / "job.json").is_file()


def test_a_worker_that_does_not_start(panel, monkeypatch, tmp_path):
    monkeypatch.setattr("MR2USProPanels.jobRunner.workerPython", lambda: str(tmp_path / "no-python"))
    button(panel.stitch).click()
    panel.wait()
    assert "could not be started" in message(panel.stitch)
    assert is_idle(panel)


@pytest.mark.skipif(os.name == "nt", reason="the scripts are started by their first line")
def test_a_worker_that_ignores_cancel(panel, worker):
    worker("signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(1)")
    button(panel.stitch).click()
    panel.app.process(0.5)
    assert button(panel.stitch).text == "Cancel"
    start = time.monotonic()
    button(panel.stitch).click()
    assert button(panel.stitch).text == "Stopping ..."
    panel.wait()
    assert time.monotonic() - start < 2.5
    assert is_idle(panel)


@pytest.mark.skipif(os.name == "nt", reason="the scripts are started by their first line")
def test_a_worker_that_still_runs_when_the_scene_is_closed(panel, worker):
    worker("time.sleep(60)")
    button(panel.stitch).click()
    panel.app.process(0.3)
    run = panel.widget.logic.runner.current
    process = run._process
    panel.app.clearScene()
    panel.app.process(0.2)
    assert process.poll() is not None
    assert not panel.widget.logic.runner.busy
    assert not run.job.folder.exists()
    assert button(panel.stitch).text == "Read the exam first"
    put_into(panel.case)
    panel.app.process(0.1)
    assert is_idle(panel)


def spoiled(words):
    def fail(*_values):
        raise RuntimeError(words)

    return fail


@pytest.mark.skipif(os.name == "nt", reason="the scripts are started by their first line")
def test_results_that_cannot_be_loaded(panel, worker, monkeypatch):
    worker("json.dump({'kind': 'stitch', 'results': {}, 'files': []}, open(folder + '/manifest.json', 'w'))")
    monkeypatch.setattr("MR2USReconstruct.loadStitching", spoiled("the table has no such column"))
    panel.press(panel.stitch)
    panel.look("not-loaded")
    assert "the table has no such column" in message(panel.stitch)
    assert is_idle(panel)
    row = vars(panel.stitch.row)["ui"]
    row.showLogButton.click()
    assert "RuntimeError" in row.logText.plainText


def test_a_fault_before_the_worker_starts(panel, monkeypatch):
    monkeypatch.setattr("MR2USReconstruct.volumeToFile", spoiled("cannot write such pixels"))
    button(panel.stitch).click()
    panel.app.process(0.05)
    assert any("cannot write such pixels" in text for level, text in panel.app.messages if level == "error")
    assert len(panel.app.errors) == 1  # the console has it, too
    panel.app.errors.clear()
    assert is_idle(panel)
    assert not panel.left


@pytest.mark.skipif(os.name == "nt", reason="the scripts are started by their first line")
def test_a_fault_after_the_worker_started_leaves_a_job_that_can_be_cancelled(panel, worker, monkeypatch):
    worker("time.sleep(60)")
    begin = panel.stitch.row.onRun

    def stumble():
        begin()
        raise RuntimeError("stumbled")

    monkeypatch.setattr(panel.stitch.row, "onRun", stumble)
    button(panel.stitch).click()
    panel.app.process(0.05)
    assert "stumbled" in panel.app.messages[-1][1]
    panel.app.errors.clear()
    panel.app.process(0.5)
    assert button(panel.stitch).text == "Cancel"
    button(panel.stitch).click()
    panel.wait()
    assert is_idle(panel)
