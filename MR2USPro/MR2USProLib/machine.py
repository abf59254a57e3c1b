"""What the first call needs of the machine: a suitable Python that can make environments, a lock, system libraries.

Like ``bootstrap`` this runs before anything is installed: standard library alone, readable for Python 3.6.
"""

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHONS = ((3, 13), (3, 12), (3, 11))


def say(text: str) -> None:
    """Tell the user; on stderr, because stdout belongs to what the command prints."""
    print(text, file=sys.stderr, flush=True)


def clean_environment() -> "dict[str, str]":
    """The process environment without what would lead .venv's Python to packages of another one."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    environment["PYTHONUTF8"] = "1"
    return environment


def replace_process(command: "list[str]") -> None:
    """Go on as another program, with the same arguments, console and exit code. Does not return."""
    if sys.platform != "win32":
        os.execve(command[0], command, clean_environment())
    # Windows cannot replace a process: stay behind it, and leave Ctrl-C to it.
    import subprocess

    process = subprocess.Popen(command, env=clean_environment())
    while True:
        try:
            sys.exit(process.wait())
        except KeyboardInterrupt:
            continue


@contextlib.contextmanager
def locked(path: Path) -> "Iterator[int]":
    """Hold the lock of this name, which the system releases when its last holder ends. Yields its file descriptor."""
    import time

    with path.open("a") as stream:
        said = False
        while not _try_lock(stream.fileno()):
            if not said:
                say("Another call is installing; waiting for it.")
                said = True
            time.sleep(0.3)
        yield stream.fileno()


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def ask_python(command: "list[str]", statement: str = "") -> "tuple[tuple[int, ...], str]":
    """The version (major, minor) and path of a Python; empty where it does not start or the statement fails in it."""
    import subprocess

    code = f"{statement}\nimport sys; print(*sys.version_info[:2], sys.executable)"
    try:
        answer = subprocess.run(
            [*command, "-I", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=True
        )
        major, minor, path = answer.stdout.decode().strip().split(" ", 2)
        return (int(major), int(minor)), path
    except (OSError, ValueError, subprocess.SubprocessError):
        return (), ""


def suitable_python() -> str:
    """The interpreter to make the environment with: the running one where it suits.

    Where it does not, the command is started again in one that does, if there is one.
    """
    if sys.version_info[:2] in PYTHONS:
        return str(getattr(sys, "_base_executable", sys.executable))
    running = "Python {}.{}".format(*sys.version_info[:2])
    for version in PYTHONS:
        name = "{}.{}".format(*version)
        folders = [Path(folder) for folder in os.get_exec_path()]
        commands = [[str(folder / f"python{name}")] for folder in folders if (folder / f"python{name}").is_file()]
        if sys.platform == "win32":
            commands = [["py", f"-{name}"]]
        for command in commands:
            found, path = ask_python(command)
            if found == version:
                say(f"{running} is not one that MR2USPro runs on; using {path} (Python {name}).")
                replace_process([path, *sys.argv])
    sys.exit(
        f"MR2USPro runs on Python 3.11, 3.12 or 3.13, and this is {running}: install one of these, for example 3.12, "
        "and call this command with it (python3.12 instead of python3)."
    )


def need_venv() -> None:
    """Make sure that the running Python can make virtual environments; Debian and Ubuntu package that apart."""
    package = "python{}.{}-venv".format(*sys.version_info[:2])
    if not _has_venv() and not install_system_packages([package], "make virtual environments"):
        sys.exit(
            "This Python cannot make virtual environments: install what is missing (on Debian and Ubuntu: "
            f"sudo apt-get install {package}) and call again."
        )
    if not _has_venv():
        sys.exit(
            f"{sys.executable} lacks venv or ensurepip: install a complete Python 3.11, 3.12 or 3.13 and use that."
        )


def _has_venv() -> bool:
    import importlib

    importlib.invalidate_caches()
    try:
        import ensurepip
        import venv

        return bool(ensurepip.version() and venv.create)
    except (ImportError, AttributeError):
        return False


# What VTK and Qt draw with off screen: shared library, its package in Debian, its package in Fedora.
DRAWING_LIBRARIES = (
    ("libEGL.so.1", "libegl1", "mesa-libEGL"),
    ("libGL.so.1", "libgl1", "mesa-libGL"),
    ("libX11.so.6", "libx11-6", "libX11"),
    ("libglib-2.0.so.0", "libglib2.0-0", "glib2"),
    ("libxkbcommon.so.0", "libxkbcommon0", "libxkbcommon"),
    ("libfontconfig.so.1", "libfontconfig1", "fontconfig"),
    ("libdbus-1.so.3", "libdbus-1-3", "dbus-libs"),
)


def need_rendering() -> None:
    """Make sure that VTK and Qt can draw off screen on Linux, which only tests need. Says how if not."""
    if not sys.platform.startswith("linux") or _can_render():
        return
    debian = [library[1] for library in DRAWING_LIBRARIES] + ["libgl1-mesa-dri", "fonts-dejavu-core"]
    fedora = [library[2] for library in DRAWING_LIBRARIES] + ["mesa-dri-drivers", "dejavu-sans-fonts"]
    if not (install_system_packages(debian, "draw Slicer's panels and views off screen") and _can_render()):
        say(
            "Tests that draw Slicer's panels and views need some libraries and a font: install them with "
            f"sudo apt-get install {' '.join(debian)} (Debian, Ubuntu) or "
            f"sudo dnf install {' '.join(fedora)} (Fedora, RHEL)."
        )


def _can_render() -> bool:
    import ctypes

    try:
        loaded = all(ctypes.CDLL(library[0]) for library in DRAWING_LIBRARIES)
    except OSError:
        return False
    fonts = (
        path for folder in ("/usr/share/fonts", "/usr/local/share/fonts") for path in Path(folder).rglob("*.[to]tf")
    )
    return loaded and next(fonts, None) is not None


def install_system_packages(packages: "list[str]", purpose: str) -> bool:
    """Install Debian packages where this process may: as root, with apt-get there. True if that worked."""
    import shutil
    import subprocess

    if sys.platform == "win32" or os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    say(f"Installing {' '.join(packages)} with apt-get, to {purpose}.")
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        result = subprocess.run(
            ["apt-get", "-qq", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if result.returncode:
        say(result.stdout.decode(errors="replace").rstrip())
    return result.returncode == 0
