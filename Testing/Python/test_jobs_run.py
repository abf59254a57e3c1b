"""Jobs in a real worker process: what they leave, how they stop, and what is said when anything goes wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from MR2USProLib.errors import Cancelled, InputError
from MR2USProLib.jobs import run as run_module
from MR2USProLib.jobs.job import STAGES, Job
from MR2USProLib.jobs.run import BOOT, ENGINE, JobFailed, Run, State
from MR2USProLib.video.exam import write_stack

posix = pytest.mark.skipif(os.name == "nt", reason="signals and process groups are POSIX's")


def scripted(tmp_path, script, kind="inspect"):
    """A run whose worker is a script of ours: it gets the worker's arguments after its own name."""
    worker = tmp_path / "worker.py"
    worker.write_text("import json, os, sys, time\njob = sys.argv[-1]\nfolder = os.path.dirname(job)\n" + script)
    boot = f"import sys, runpy; sys.argv = sys.argv[-1:]; sys.argv.insert(0, {str(worker)!r}); "
    boot += f"runpy.run_path({str(worker)!r}, run_name='__main__')"
    python = tmp_path / "python"
    python.write_text(f"#!{sys.executable}\nimport sys\n{boot}\n")
    python.chmod(0o755)
    return Run(kind, {}, tmp_path / "job", [sys.executable, str(python)])


def ended(run, seconds=10):
    """Poll as a front end does; how long it took."""
    events, start = [], time.monotonic()
    while not run.ended:
        assert time.monotonic() - start < seconds, "the run does not end"
        events += run.poll()
        time.sleep(0.02)
    return events, time.monotonic() - start


def alive(process):
    """Whether a process runs; one that ended and was not fetched by its parent does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    run = Run("simulate", {"frames": 24, "level": "easy"}, tmp_path_factory.mktemp("jobs") / "simulate")
    events = []
    run.wait(events.append)
    return run, events


def test_a_job_leaves_its_files_and_says_how_far_it_is(simulated):
    run, events = simulated
    assert run.state is State.DONE
    assert run.fraction == 1
    assert {"sagittal.mha", "transverse.mha", "mr.nrrd", "truth.json"} <= {p.name for p in run.job.results.iterdir()}
    assert json.loads((run.job.folder / "manifest.json").read_text())["kind"] == "simulate"
    names = [event["event"] for event in events]
    assert names[0] == "started"
    assert names[-1] == "done"
    fractions = [event["fraction"] for event in events if event["event"] == "progress"]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_a_finished_run_can_be_cleared_away(tmp_path):
    run = Run("environment", {}, tmp_path / "job").wait()
    packages = {package["name"]: package for package in run.results["packages"]}
    assert packages["numpy"]["enough"]
    assert packages["torch"]["installed"] == run.results["torch"]
    assert run.results["device"] in ("cpu", "cuda")
    assert {name: set(of) for name, of in run.results["presets"].items()} == {
        name: {"fast", "balanced", "paper"} for name in ("self-similarity", "anatomy-aware")
    }
    run.remove()
    assert not run.job.folder.exists()


def test_the_stages_of_every_kind_make_a_whole():
    assert {kind: pytest.approx(1) for kind in STAGES} == {
        kind: sum(shares.values()) for kind, shares in STAGES.items()
    }


def test_bad_input_is_told_in_the_engines_own_words(tmp_path):
    with pytest.raises(JobFailed, match=r"nothing\.mp4 does not exist") as failed:
        Run("inspect", {"video": str(tmp_path / "nothing.mp4")}, tmp_path / "job").wait()
    assert failed.value.kind == "input"
    assert isinstance(failed.value, InputError)
    assert failed.value.folder.is_dir()


def test_files_are_named_from_where_the_front_end_is_and_nothing_there_is_run(tmp_path, monkeypatch):
    stack = np.random.default_rng(0).integers(20, 200, (3, 40, 40)).astype(np.uint8)
    for view in ("sagittal", "transverse"):
        write_stack(tmp_path / f"{view} ä.nrrd", stack, (0.2, 0.2))
    (tmp_path / "numpy.py").write_text("raise SystemExit('numpy of somebody else')\n")
    monkeypatch.chdir(tmp_path)
    given = {"sagittal": Path("sagittal ä.nrrd"), "transverse": "transverse ä.nrrd"}
    assert Run("inspect", given, Path("the job")).wait().results["frames"] == 3
    assert (tmp_path / "the job" / "results" / "sagittal.nrrd").is_file()


def test_a_cancelled_job_stops_within_two_seconds_and_leaves_nothing_half_written(tmp_path):
    run = Run("simulate", {"frames": 300, "level": "hard"}, tmp_path / "job")
    run.start()
    start = time.monotonic()
    while run.fraction == 0 and time.monotonic() - start < 60:
        run.poll()
        time.sleep(0.02)
    worker = run._process.pid
    run.cancel()
    _, seconds = ended(run)
    assert seconds < 2
    assert run.state is State.CANCELLED
    assert not alive(worker)
    assert sorted(p.name for p in run.job.folder.iterdir()) in (["job.json"], ["job.json", "log.txt"])
    with pytest.raises(Cancelled):
        run.raise_failure()


def test_a_python_that_does_not_start_is_named(tmp_path):
    run = Run("inspect", {}, tmp_path / "job", [str(tmp_path / "no-python")])
    run.start()
    assert run.state is State.FAILED
    assert "no-python could not be started" in run.message
    assert run.poll() == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    run = Run("inspect", {}, tmp_path / "file" / "job")
    run.start()
    assert run.state is State.FAILED
    assert run.failure == "input"
    assert "cannot be written" in run.message


def test_a_worker_that_dies_at_once_gives_its_last_words(tmp_path):
    run = scripted(tmp_path, "raise ModuleNotFoundError(\"No module named 'numpy'\")")
    run.start()
    ended(run)
    assert run.state is State.FAILED
    assert run.failure == "missing"
    assert "No module named 'numpy'" in run.message
    assert "Environment" in run.message


def test_a_missing_package_is_told_apart_from_a_fault(tmp_path):
    lines = '{"event": "error", "kind": "missing", "message": "The Python package cv2 is not installed."}'
    run = scripted(tmp_path, f"print({lines!r}, flush=True); sys.exit(1)")
    run.start()
    ended(run)
    assert run.failure == "missing"
    assert run.message.startswith("The Python package cv2 is not installed. Install what is missing under Environment")


@posix
def test_a_worker_that_is_killed_midway_fails_with_a_hint_and_keeps_its_folder(tmp_path):
    run = scripted(tmp_path, "print('half a line', end='', file=sys.stderr, flush=True); time.sleep(60)")
    run.start()
    time.sleep(0.5)
    run.poll()
    os.kill(run._process.pid, signal.SIGKILL)
    ended(run)
    assert run.state is State.FAILED
    assert "code -9" in run.message
    assert "memory" in run.message
    assert run.log == ["half a line"]
    assert (run.job.folder / "log.txt").read_text() == "half a line\n"


def test_characters_and_lines_that_come_in_pieces_are_put_together(tmp_path):
    script = """
out = sys.stdout.buffer
for piece in ('{"event": "progress", "stage": "Read", "fraction": 0.5, "message": "Größe'.encode()[:-2],
              'ße'.encode()[1:], b'"}\\n{"event": "no', b'tice"}\\nnot json\\n'):
    out.write(piece); out.flush(); time.sleep(0.15)
sys.stderr.buffer.write("é".encode()[:1]); sys.stderr.flush()
"""
    run = scripted(tmp_path, script)
    run.start()
    events, _ = ended(run)
    events += run.poll()
    assert [event["event"] for event in events] == ["progress", "notice"]
    assert events[0]["message"] == "Größe"
    assert run.log == ["not json", "\N{REPLACEMENT CHARACTER}"]


@posix
def test_a_worker_that_ignores_cancel_is_killed_with_all_that_it_started(tmp_path):
    script = """
import signal, subprocess
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open(os.path.join(folder, "child"), "w").write(str(child.pid))
while True: time.sleep(1)
"""
    run = scripted(tmp_path, script)
    run.start()
    marker = run.job.folder / "child"
    while not (marker.exists() and marker.read_text()):
        time.sleep(0.02)
    child = int(marker.read_text())
    assert alive(child)
    run.cancel()
    assert run.state is State.CANCELLING
    _, seconds = ended(run)
    assert seconds < 2
    assert run.state is State.CANCELLED
    time.sleep(0.1)
    assert not alive(child)


def test_a_good_exit_without_a_manifest_is_no_result(tmp_path):
    run = scripted(tmp_path, "print(json.dumps({'event': 'done'}))")
    run.start()
    ended(run)
    assert run.state is State.FAILED
    assert "without leaving a result" in run.message


@pytest.mark.parametrize(
    "manifest", ["{", "[]", '{"kind": "fill", "results": {}, "files": []}', '{"kind": "inspect", "files": ["gone"]}']
)
def test_a_manifest_that_is_not_whole_is_no_result(tmp_path, manifest):
    run = scripted(tmp_path, f"open(os.path.join(folder, 'manifest.json'), 'w').write({manifest!r})")
    run.start()
    ended(run)
    assert run.state is State.FAILED


def test_the_end_of_a_long_log_is_never_lost(tmp_path):
    script = "sys.stderr.write(''.join(f'line {n}\\n' for n in range(5000)) + 'the very end'); sys.exit(1)"
    run = scripted(tmp_path, script)
    run.start()
    ended(run)
    assert run.log[-1] == "the very end"
    written = (run.job.folder / "log.txt").read_text().splitlines()
    assert written == [f"line {n}" for n in range(5000)] + ["the very end"]


def test_a_full_disk_is_named_and_a_fault_is_ours(tmp_path):
    from io import StringIO

    from MR2USProLib.events import EventLines

    for error, kind, words in (
        (OSError(28, "No space left on device"), "input", "The disk is full: free some space"),
        (ZeroDivisionError("division by zero"), "fault", "ZeroDivisionError"),
    ):
        stream = StringIO()
        with pytest.raises(type(error)), EventLines(stream).ending():
            raise error
        said = json.loads(stream.getvalue())
        assert said["kind"] == kind
        assert words in said["message"]


def test_a_worker_on_a_full_disk_says_so(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small], capture_output=True)
    if mounted.returncode:
        pytest.skip("this machine does not let a test make a small disk")
    try:
        run = Run("simulate", {"frames": 24, "level": "easy"}, small / "job")
        with pytest.raises(JobFailed, match="full: free some space"):
            run.wait()
        assert not list(run.job.folder.rglob("*.mha"))
    finally:
        subprocess.run(["umount", "-l", small], check=True)


@posix
def test_the_worker_ends_when_whoever_started_it_is_killed(tmp_path):
    job = Job("simulate", {"frames": 400, "level": "hard"}, tmp_path / "job").write()
    code = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-u", "-c", {BOOT!r}, {str(ENGINE)!r}, {str(job)!r}],
                         stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
print(child.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    time.sleep(1)
    assert alive(worker)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 3
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(worker)


def test_a_device_that_does_not_work_is_replaced_and_told(tmp_path):
    from MR2USProLib.devices import working_device

    device, trouble = working_device("cuda")
    if device == "cuda":
        pytest.skip("this machine has a CUDA device")
    assert trouble == "PyTorch finds no CUDA device"
    assert working_device("auto") == ("cpu", "")
    nothing = str(tmp_path / "nothing.nrrd")
    files = {"fill": {"transverse": nothing, "positions": nothing}, "translate": {"mr": nothing, "us": nothing}}
    told = {}
    for kind, given in files.items():
        run = Run(kind, {**given, "device": "cuda"}, tmp_path / kind)
        with pytest.raises(JobFailed, match=r"nothing\.nrrd does not exist"):
            run.wait()
        told[kind] = run.notice
    # Kriging has no network, which a device would matter to.
    assert told == {"fill": "", "translate": "PyTorch finds no CUDA device: this runs on the CPU instead."}


def test_killing_a_run_ends_it_at_once(tmp_path):
    run = scripted(tmp_path, "time.sleep(60)")
    run.start()
    worker = run._process.pid
    run.kill()
    assert run.state is State.CANCELLED
    assert not alive(worker)


def test_the_time_left_follows_from_what_is_done(tmp_path, monkeypatch):
    run = scripted(tmp_path, "", kind="stitch")
    run.state = State.RUNNING
    now = 100.0
    monkeypatch.setattr(run_module.time, "monotonic", lambda: now)
    run._begun = 90.0
    assert run.seconds_left is None
    run._take({"event": "progress", "stage": "Stitch", "fraction": 0.5, "message": ""})
    assert run.fraction == pytest.approx(0.5)  # no word of reading: it is left out
    assert run.seconds_left == pytest.approx(10)


def test_every_stage_counts_with_its_share_of_the_time(tmp_path):
    run = scripted(tmp_path, "", kind="fill")
    for stage, fraction, overall in (("Read", 1.0, 0.02), ("Place", 1.0, 0.05), ("Fill", 0.5, 0.525), ("Fill", 1.0, 1)):
        run._take({"event": "progress", "stage": stage, "fraction": fraction, "message": ""})
        assert run.fraction == pytest.approx(overall)
