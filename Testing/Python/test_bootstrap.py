"""The environment that the first call makes, on a tiny project of its own: real interpreters, real pip, no network."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tiny_wheel import write_wheel

ENGINE = Path(__file__).resolve().parents[2] / "MR2USPro"

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

# Builds the tiny project's editable wheel; leaves a line per build, and waits as long as a file named `wait` is there.
BACKEND = """
import pathlib, time
from tiny_wheel import write_wheel

def build_editable(folder, config_settings=None, metadata_directory=None):
    with open("builds.txt", "a") as stream:
        stream.write("built\\n")
    while pathlib.Path("wait").exists():
        time.sleep(0.05)
    return write_wheel(pathlib.Path(folder), "tiny", "1.0", extra="test").name
"""

CLI = """
import sys

def main():
    if sys.argv[1:] == ["interrupt"]:
        raise KeyboardInterrupt
    print(sys.argv[1:], sys.prefix, sys.flags.utf8_mode)
    sys.exit(7)
"""


class Project:
    """A source tree with the project's own starter and a command line that says where it runs."""

    def __init__(self, root):
        self.root = root
        self.processes = []
        self.environment = root / ".venv"
        self.python = self.environment / "bin" / "python"
        library = root / "MR2USPro" / "MR2USProLib"
        library.mkdir(parents=True)
        for name in ("__init__.py", "bootstrap.py", "machine.py"):
            shutil.copy(ENGINE / "MR2USProLib" / name, library)
        shutil.copy(ENGINE / "__main__.py", library.parent)
        (library / "cli.py").write_text(CLI)
        (root / "pyproject.toml").write_text(PYPROJECT)
        (root / "MR2USPro" / "Resources").mkdir()
        (root / "MR2USPro" / "Resources" / "requirements.txt").write_text("torch\n")
        (root / "backend.py").write_text(BACKEND)
        shutil.copy(Path(__file__).with_name("tiny_wheel.py"), root)
        (root / "wheels").mkdir()
        write_wheel(root / "wheels", "torch", "2.13.0")

    def start(self, *command, python=sys.executable, **variables):
        settings = {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": (self.root / "wheels").as_uri(),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        process = subprocess.Popen(
            [python, *command],
            cwd=self.root,
            env={**os.environ, **settings, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def end(self):
        """Leave no process behind, however a test ended."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def change_requirements(self, file="pyproject.toml"):
        with (self.root / file).open("a") as stream:
            stream.write("# changed\n")

    def call(self, *arguments, **variables):
        return finish(self.start("MR2USPro", *arguments, **variables))

    def run_script(self, text, **variables):
        """Run a script beside the engine, for what has to be changed before the starter runs."""
        script = self.root / "MR2USPro" / "script.py"
        script.write_text(text + "\nfrom MR2USProLib import cli\ncli.main()\n")
        return finish(self.start(str(script), **variables))

    def builds(self):
        log = self.root / "builds.txt"
        return len(log.read_text().splitlines()) if log.exists() else 0


def finish(process):
    output, errors = process.communicate(timeout=240)
    assert "Traceback" not in errors, errors
    return process.returncode, output, errors


def wait_for(condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path)
    yield project
    project.end()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A project whose first call was killed while pip was at work, and whose second call was let finish.

    Tests leave it in working order.
    """
    project = Project(tmp_path_factory.mktemp("a tiny project"))
    (project.root / "wait").touch()
    killed = project.start("MR2USPro")
    wait_for(lambda: project.builds() == 1)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()

    # pip has survived and still writes into the folder: whoever comes next waits for it.
    following = project.start("MR2USPro", "--out", "a b", "é")
    project.waiting = following.stderr.readline()
    project.builds_while_waiting = project.builds()
    (project.root / "wait").unlink()
    project.second_call = finish(following)
    project.first_words = killed.communicate()[1]
    yield project
    project.end()


pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="stops processes and replaces interpreters as POSIX does"
)


def test_a_first_call_says_what_it_costs(installed):
    assert installed.first_words.startswith("Making .venv, because it does not exist yet")
    assert "3 GB" in installed.first_words


def test_a_killed_installation_is_waited_for_and_made_again(installed):
    assert installed.waiting == "Another call is installing; waiting for it.\n"
    assert installed.builds_while_waiting == 1
    assert "because an earlier installation was not finished" in installed.second_call[2]
    assert (installed.environment / "install.log").read_text().count("Successfully installed") == 1


def test_a_finished_installation_hands_over(installed):
    code, output, errors = installed.second_call
    assert code == 7, errors
    assert output == f"['--out', 'a b', 'é'] {installed.environment} 1\n"
    assert "  torch 2.13.0\n" in errors
    assert "unpacking 2 packages" in errors


def test_the_next_call_reuses_it_and_says_nothing(installed):
    builds = installed.builds()
    code, output, errors = installed.call("x")
    assert (code, errors, installed.builds()) == (7, "", builds)
    assert str(installed.environment) in output


def test_inside_the_environment_it_goes_straight_on(installed):
    code, _, errors = finish(installed.start("-X", "utf8", "MR2USPro", "x", python=installed.python))
    assert (code, errors) == (7, "")


def test_a_python_that_does_not_suit_still_reuses_it(installed):
    code, _, errors = installed.run_script(NO_ROOM, PRETEND_OLD="1", PATH="")
    assert (code, errors) == (7, "")


def test_paths_of_another_python_are_left_behind(installed, tmp_path):
    (tmp_path / "MR2USProLib").mkdir()
    (tmp_path / "MR2USProLib" / "cli.py").write_text("raise SystemExit('the wrong one')")
    (tmp_path / "sitecustomize.py").write_text("import sys; print('stranger', file=sys.stderr)")
    _, _, errors = installed.call(PYTHONPATH=str(tmp_path))
    assert errors.count("stranger") == 1  # the Python that was called, and no longer the environment's


def test_ctrl_c_in_the_command_exits_130_without_a_traceback(installed):
    assert installed.call("interrupt") == (130, "", "")


@pytest.mark.parametrize("file", ["pyproject.toml", "MR2USPro/Resources/requirements.txt"])
def test_changed_requirements_are_installed_into_it(installed, file):
    builds, made = installed.builds(), (installed.environment / "pyvenv.cfg").stat().st_mtime_ns
    installed.change_requirements(file)
    code, _, errors = installed.call()
    assert code == 7
    assert "Bringing .venv up to date" in errors
    assert installed.builds() == builds + 1
    assert (installed.environment / "pyvenv.cfg").stat().st_mtime_ns == made
    assert installed.call()[2] == ""


def test_an_extra_is_added_once_and_stays(installed):
    builds = installed.builds()
    script = "from MR2USProLib import bootstrap\nbootstrap.enter('test')"
    assert "requires and the tools of its tests" in installed.run_script(script)[2]
    assert installed.run_script(script)[2] == ""
    assert installed.call()[2] == ""
    assert installed.builds() == builds + 1


def test_failing_pip_shows_its_last_lines_and_spares_what_is_installed(installed):
    made = (installed.environment / "pyvenv.cfg").stat().st_mtime_ns
    pin = "from MR2USProLib import bootstrap\nbootstrap.PINS = ('absent==1.0',)\nbootstrap.enter()"
    code, _, errors = installed.run_script(pin)
    assert code == 1
    assert "No matching distribution found for absent==1.0" in errors
    assert errors.splitlines()[-1].startswith("The packages could not be installed")
    assert installed.call()[2] == ""
    assert (installed.environment / "pyvenv.cfg").stat().st_mtime_ns == made


def test_ctrl_c_while_installing_exits_130_and_the_next_call_goes_on(installed):
    builds = installed.builds()
    installed.change_requirements()
    (installed.root / "wait").touch()
    process = installed.start("MR2USPro")
    wait_for(lambda: installed.builds() > builds)
    os.killpg(process.pid, signal.SIGINT)
    code, _, errors = finish(process)
    assert code == 130
    assert errors.splitlines()[-1] == "Stopped. The next call goes on with the installation."
    (installed.root / "wait").unlink()
    assert installed.call()[0] == 7
    assert installed.call()[2] == ""


def test_two_calls_at_once_install_once(installed):
    builds = installed.builds()
    installed.change_requirements()
    processes = [installed.start("MR2USPro", str(number)) for number in range(2)]
    assert [finish(process)[0] for process in processes] == [7, 7]
    assert installed.builds() == builds + 1


NO_ROOM = """
import os, sys
if os.environ.pop("PRETEND_OLD", ""):
    sys.version_info = (3, 10, 1, "final", 0)
from MR2USProLib import bootstrap
bootstrap.NEEDED_GB = 1e9
bootstrap.enter()
"""


def test_too_little_disk_is_one_sentence(project):
    code, _, errors = project.run_script(NO_ROOM)
    assert code == 1
    assert "GB are free" in errors.splitlines()[-1]
    assert "make room for at least 1000000000 GB" in errors.splitlines()[-1]
    assert not project.environment.exists()


@pytest.mark.parametrize("python", ["no such python", "/bin/false"])
def test_an_environment_whose_interpreter_is_gone_is_made_again(project, python):
    project.python.parent.mkdir(parents=True)
    project.python.symlink_to(python)
    _, _, errors = project.run_script(NO_ROOM)
    assert errors.startswith("Making .venv, because its Python does not start")
    assert not project.environment.exists()  # it came as far as the disk


def test_a_python_that_does_not_suit_gives_one_sentence(project):
    code, _, errors = project.run_script(NO_ROOM, PRETEND_OLD="1", PATH="")
    assert code == 1
    assert errors.startswith(
        "MR2USPro runs on Python 3.11, 3.12 or 3.13, and this is Python 3.10: install one of these"
    )
    assert len(errors.splitlines()) == 1


def test_a_python_that_does_not_suit_looks_for_one_that_starts(project, tmp_path):
    version = "{}.{}".format(*sys.version_info[:2])
    broken, good = tmp_path / "broken", tmp_path / "good"
    for folder in (broken, good):
        folder.mkdir()
    for name in ("python3.13", "python3.12", "python3.11"):
        (broken / name).write_text("#!/bin/sh\nexit 127\n")
        (broken / name).chmod(0o755)
    (good / f"python{version}").symlink_to(Path(sys.executable).resolve())
    code, _, errors = project.run_script(NO_ROOM, PRETEND_OLD="1", PATH=f"{broken}:{good}")
    assert f"Python 3.10 is not one that MR2USPro runs on; using {good}/python{version}" in errors
    assert (code, "GB are free" in errors) == (1, True)  # the Python that was found came as far as the disk


def test_a_folder_that_cannot_be_written_is_one_sentence(project):
    (project.root / ".venv.lock").mkdir()  # what opening the lock meets; permissions would not stop root
    code, _, errors = project.call()
    assert code == 1
    assert len(errors.splitlines()) == 1
    assert "a folder that you can write to" in errors
