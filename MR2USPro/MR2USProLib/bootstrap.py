"""The project's own Python environment: made on the first call, reused afterwards, healed where it is broken.

This runs before anything is installed, so it uses the standard library alone. It also keeps to what Python 3.6 can read
(annotations that are newer stand in quotes), so that an old Python gets a sentence and not a syntax error.
"""

import contextlib
import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .machine import PYTHONS, ask_python, clean_environment, locked, need_venv, replace_process, say, suitable_python

if TYPE_CHECKING:
    import subprocess

ROOT = Path(__file__).resolve().parents[2]
PINS = ("torch==2.13.0",)
"""Installed together with the project. An open range takes whichever torch is newest, and on Linux with it gigabytes of
CUDA; a named release is one that machines without a GPU can keep as a CPU build."""

NEEDED_GB = 4.0
"""Free disk space that a first installation asks for: 2.7 GB stay, the rest is used while packages are unpacked."""


def enter(extra: str = "") -> None:
    """Go on in the project's environment, after making it where that is needed.

    Returns only inside that environment; anywhere else the running command is started again in it.

    Args:
        extra: the optional requirements of ``pyproject.toml`` that are needed as well, such as ``test``.
    """
    environment = Environment(ROOT, extra)
    try:
        if not environment.is_ready():
            environment.make()
    except KeyboardInterrupt:
        say("Stopped. The next call goes on with the installation.")
        sys.exit(130)
    except OSError as error:
        sys.exit(
            f"{error.filename or environment.folder}: {error.strerror or error}. Make {environment.root} a folder that "
            "you can write to, or move the project into one, and call again."
        )
    # In UTF-8 mode files and pipes mean the same on Windows as elsewhere.
    if not (environment.is_running() and sys.flags.utf8_mode):
        replace_process([str(environment.python), *sys.argv])


class Environment:
    """The virtual environment ``.venv`` of a source tree, with the tree's own package installed editable.

    Attributes:
        root: the source tree, which holds ``pyproject.toml``.
        folder: the environment.
        python: its interpreter.
        stamp: says what was installed; written last, so that a folder without it is not a finished installation.
        unfinished: there while packages are being unpacked; what it is found in cannot be trusted.
    """

    def __init__(self, root: Path, extra: str = "") -> None:
        self.root = root
        self.folder = root / ".venv"
        self.python = self.folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        self.stamp = self.folder / "installed.json"
        self.unfinished = self.folder / "unfinished"
        self.extra = extra or str(self._installed().get("extra", ""))

    def _installed(self) -> "dict[str, object]":
        try:
            content = json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def _wanted(self) -> "dict[str, object]":
        """What the stamp of an up-to-date environment says.

        The interpreter's file is part of it: when the system replaces the Python under the environment, the file
        changes. The root is too, because an environment that was moved or copied still points to its old place.
        """
        interpreter = self.python.resolve()
        state = interpreter.stat()
        files = ("pyproject.toml", "MR2USPro/Resources/requirements.txt")
        requirements = b"".join((self.root / name).read_bytes() for name in files) + " ".join(PINS).encode()
        return {
            "requirements": hashlib.sha256(requirements).hexdigest(),
            "extra": self.extra,
            "root": str(self.root),
            "interpreter": [str(interpreter), state.st_size, state.st_mtime_ns],
        }

    def is_ready(self) -> bool:
        """Whether all that is wanted is installed (looks at three files, starts nothing)."""
        return self.python.exists() and not self.unfinished.exists() and self._installed() == self._wanted()

    def is_running(self) -> bool:
        """Whether the running Python is this environment's."""
        return Path(sys.prefix).resolve() == self.folder.resolve()

    def make(self) -> None:
        """Create the environment, or bring it up to date. One process at a time; others wait."""
        with locked(self.root / ".venv.lock") as lock:
            if self.is_ready():
                return
            fault = self._fault()
            if fault:
                self._create(fault)
            else:
                say(f"Bringing .venv up to date with what MR2USPro requires{self._with_tests()}.")
            self._install(lock)
            self.stamp.write_text(json.dumps(self._wanted()), encoding="utf-8")
            with contextlib.suppress(FileNotFoundError):
                self.unfinished.unlink()
            say("Installed.")

    def _fault(self) -> str:
        """Why the environment has to be made from scratch; empty where packages can be installed into it."""
        if not self.folder.exists():
            return "it does not exist yet"
        if self.unfinished.exists():
            return "an earlier installation was not finished"
        if self._installed().get("root", str(self.root)) != str(self.root):
            return "the project was moved"
        version, _ = ask_python([str(self.python)], "import pip")
        if version not in PYTHONS:
            return "its Python does not start or is not one that MR2USPro runs on"
        name = "Lib" if sys.platform == "win32" else f"lib/python{version[0]}.{version[1]}"
        return "" if (self.folder / name / "site-packages").is_dir() else "its Python was replaced by another version"

    def _with_tests(self) -> str:
        return " and the tools of its tests (pytest, ruff, mypy, slicer-core)" if self.extra == "test" else ""

    def _create(self, fault: str) -> None:
        import shutil
        import subprocess

        python = suitable_python()
        say(
            f"Making .venv, because {fault}. It gets what MR2USPro needs (torch, MONAI, SimpleITK, OpenCV, "
            f"scikit-learn, matplotlib and what these need){self._with_tests()}: about 3 GB and 2 to 10 minutes, once."
        )
        need_venv()
        if self.folder.is_symlink() or self.folder.is_file():
            self.folder.unlink()
        elif self.folder.exists():
            shutil.rmtree(str(self.folder))
        free_gb = shutil.disk_usage(str(self.root)).free / 1e9
        if free_gb < NEEDED_GB:
            sys.exit(
                f"Only {free_gb:.1f} GB are free where {self.root} lies: make room for at least {NEEDED_GB:.0f} GB, or "
                "move the project to a larger disk, and call again."
            )
        self.folder.mkdir()
        self.unfinished.touch()
        result = subprocess.run(
            [python, "-I", "-m", "venv", str(self.folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if result.returncode:
            say(result.stdout.decode(errors="replace").rstrip())
            sys.exit(f"{python} could not make a virtual environment: install a complete Python 3.11, 3.12 or 3.13.")

    def _install(self, lock: int) -> None:
        """Let pip install the project, and say what it is at.

        The log stays in the environment. pip holds the lock as well, so that it stays locked where this process is
        killed and pip lives on.
        """
        import subprocess

        project = f".[{self.extra}]" if self.extra else "."
        command = [str(self.python), "-I", "-u", "-X", "utf8", "-m", "pip", "install"]
        log = self.folder / "install.log"
        process = subprocess.Popen(
            [*command, "--no-input", "--progress-bar", "off", *PINS, "-e", project],
            cwd=str(self.root),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=clean_environment(),
            pass_fds=() if sys.platform == "win32" else (lock,),
        )
        try:
            lines = self._follow(process, log)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        if process.wait():
            telling = [line for line in lines if "ERROR" in line or "Retrying" in line] or lines
            for line in telling[-8:]:
                say("  " + line.strip())
            sys.exit(
                f"The packages could not be installed (all that pip said is in {log}): check that this machine "
                "reaches a package registry and has free disk space, and call again."
            )

    def _follow(self, process: "subprocess.Popen[bytes]", log: Path) -> "list[str]":
        """Log what pip says until it ends, and show its packages and how long it has been silent."""
        import queue
        import re
        import threading
        import time

        package = re.compile(
            r"(?:Downloading|Using cached|Processing) (?:.*[/\\])?([\w.]+)-([^-\s]+)-\S+\.whl(?: \(([\d.]+ \w+)\))?"
        )
        pipe = process.stdout
        assert pipe is not None
        incoming: queue.Queue[bytes] = queue.Queue()

        def read() -> None:
            for line in pipe:
                incoming.put(line)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        lines: list[str] = []
        start = heard = time.monotonic()
        before, total = self._count_packages(), 0
        with log.open("w", encoding="utf-8") as stream:
            while reader.is_alive() or not incoming.empty():
                try:
                    # Short, because Windows does not let Ctrl-C interrupt the wait.
                    line = incoming.get(timeout=0.5).decode(errors="replace").rstrip()
                except queue.Empty:
                    now = time.monotonic()
                    if now - heard > 10:
                        heard = now
                        done = f"{self._count_packages() - before} of {total} unpacked, " if total else ""
                        say(f"  ... {done}{now - start:.0f} s")
                    continue
                stream.write(line + "\n")
                stream.flush()
                lines.append(line)
                found = package.match(line.strip())
                if found:
                    say(f"  {found.group(1)} {found.group(2)}" + (f" ({found.group(3)})" if found.group(3) else ""))
                    heard = time.monotonic()
                elif line.startswith("Installing collected packages:"):
                    self.unfinished.touch()
                    total = line.count(",") + 1
                    say(f"  unpacking {total} packages")
        return lines

    def _count_packages(self) -> int:
        pattern = "Lib/site-packages/*.dist-info" if sys.platform == "win32" else "lib/*/site-packages/*.dist-info"
        return sum(1 for _ in self.folder.glob(pattern))
