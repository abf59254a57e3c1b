"""What holds for the whole source tree: its licence, who may know whom, what is installed, and what is not written."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "MR2USPro"
ENGINE = MODULE / "MR2USProLib"
STAGES = {"phantom", "video", "reconstruction", "translation", "registration", "evaluation", "report"}
STARTERS = [MODULE / "__main__.py", ROOT / "Testing" / "__main__.py"]
STARTERS += [ENGINE / name for name in ("__init__.py", "bootstrap.py", "machine.py")]

# Single letters in brackets keep these patterns from finding themselves.
NOT_WRITTEN = {
    "a path of one machine": r"(?<![\w.])/(?:w[o]rk|f[a]rm|r[o]ot|h[o]me|U[s]ers|t[m]p)/|\.\./s[h]ared|C:\\+U[s]ers",
    "the address of a package registry": r"p[y]pi\.org|p[y]thonhosted\.org|download\.p[y]torch\.org|anac[o]nda\.org",
    "the number of an issue": r"\b[i]ssues?[ /]#?\d+",
}


def run(*command):
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


def tracked_files():
    code, output = run("git", "ls-files", "-z")
    if code:
        pytest.skip("this copy of the source tree is no git repository")
    return [ROOT / name for name in output.split("\0") if name and (ROOT / name).is_file()]


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()


def engine_files():
    return sorted(ENGINE.rglob("*.py"))


def imports(path):
    """Full names of all that a file imports, wherever in the file, relative imports resolved within MR2USProLib."""
    package = path.relative_to(MODULE).with_suffix("").parts[:-1] if path.is_relative_to(MODULE) else ()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            base += node.module.split(".") if node.module else []
            yield from (".".join([*base, alias.name]) for alias in node.names)


def test_the_licence_is_apache_2():
    text = (ROOT / "LICENSE.txt").read_text(encoding="utf-8")
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["license"] == "Apache-2.0"


def test_importing_the_engine_is_quick_and_loads_nothing_heavy():
    code = """
import json, sys, time
start = time.perf_counter()
import MR2USProLib
seconds = time.perf_counter() - start
print(json.dumps([seconds, sorted({"torch", "numpy", "SimpleITK", "cv2"} & set(sys.modules))]))
"""
    answers = [
        json.loads(subprocess.run([sys.executable, "-c", code], cwd=MODULE, capture_output=True, check=True).stdout)
        for _ in range(3)
    ]
    assert [heavy for _, heavy in answers] == [[], [], []]
    assert min(seconds for seconds, _ in answers) < 0.3


def test_the_engine_does_not_know_slicer():
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in engine_files()
        if path != ENGINE / "mrml.py"
        for name in imports(path)
        if name.split(".")[0] in {"slicer", "qt", "ctk"}
    ]
    assert not found


def test_no_stage_knows_another():
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for stage in STAGES
        for path in (ENGINE / stage).rglob("*.py")
        for name in imports(path)
        if name.split(".")[0] == "MR2USProLib" and set(name.split(".")[1:2]) & (STAGES - {stage})
    ]
    assert not found


def test_imports_are_resolved_as_python_does():
    names = set(imports(ENGINE / "bootstrap.py"))
    assert {"sys", "pathlib.Path", "MR2USProLib.machine.say", "shutil", "subprocess"} <= names


@pytest.mark.parametrize("path", STARTERS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_runs_before_the_installation_suits_a_bare_and_old_python(path):
    source = path.read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 6))
    assert "from __future__ import annotations" not in source
    later = {"MR2USProLib", "pytest"}  # imported after the installation, or part of this list
    assert {name.split(".")[0] for name in imports(path)} <= sys.stdlib_module_names | later


@pytest.mark.parametrize("what", NOT_WRITTEN)
def test_no_file_names(what):
    pattern = re.compile(NOT_WRITTEN[what])
    found = []
    for path in tracked_files():
        data = path.read_bytes()
        if b"\0" not in data:
            lines = data.decode("utf-8").splitlines()
            found += [
                f"{path.relative_to(ROOT)}:{n}: {line}" for n, line in enumerate(lines, 1) if pattern.search(line)
            ]
    assert not found


def test_a_space_stands_before_per_cent():
    pattern = re.compile(r"(?:\d|\}|%p)%(?!;)|:[+.\d]*%\}")  # a style sheet has its own way
    files = [path for path in tracked_files() if path.suffix in (".py", ".ui", ".md") and "Testing" not in path.parts]
    assert len(files) > 200
    assert not [f"{path.name}: {line}" for path in files for line in lines_of(path) if pattern.search(line)]


def test_git_ignores_the_environment():
    tracked_files()
    for name in (".venv/bin/python", ".venv.lock", "MR2USPro/MR2USProLib/__pycache__/cli.pyc"):
        assert run("git", "check-ignore", "-q", "--no-index", name)[0] == 0, name


def test_ruff_finds_nothing():
    code, output = run(sys.executable, "-m", "ruff", "check", "--quiet", ".")
    assert code == 0, output


def test_ruff_has_formatted_everything():
    code, output = run(sys.executable, "-m", "ruff", "format", "--check", "--quiet", ".")
    assert code == 0, output


def test_mypy_finds_nothing():
    code, output = run(sys.executable, "-m", "mypy")
    assert code == 0, output
