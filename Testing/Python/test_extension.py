"""What Slicer's build and its index of extensions are told, against what is really there."""

import ast
import json
import re
import struct
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("MR2USPro", "MR2USReconstruct", "MR2USRegister")
STANDARD_OR_SLICER = {"slicer", "qt", "ctk", "vtk", "numpy", "MR2USProLib", "MR2USProPanels"}


def listed(module, variable):
    text = (ROOT / module / "CMakeLists.txt").read_text(encoding="utf-8")
    block = re.search(rf"set\({variable}\n(.*?)\n  \)", text, re.DOTALL).group(1)
    return [line.strip().replace("${MODULE_NAME}", module) for line in block.splitlines()]


@pytest.mark.parametrize("module", MODULES)
def test_the_build_installs_every_file_of_a_module(module):
    folder = ROOT / module
    scripts = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        if path.name != "__main__.py" and "__pycache__" not in path.parts
    )
    resources = sorted(
        p.relative_to(folder).as_posix()
        for p in (*(folder / "Resources").rglob("*"), *folder.rglob("*.safetensors"))
        if p.is_file()
    )
    assert sorted(listed(module, "MODULE_PYTHON_SCRIPTS")) == scripts
    assert sorted(listed(module, "MODULE_PYTHON_RESOURCES")) == resources


def test_the_build_knows_every_module():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.findall(r"add_subdirectory\((MR2US\w+)\)", text) == list(MODULES)
    assert "## NEXT_MODULE" in text
    tests = (ROOT / "Testing" / "Slicer" / "CMakeLists.txt").read_text(encoding="utf-8")
    named = set(re.findall(r"(\w+\.py)", tests))
    assert named == {path.name for path in (ROOT / "Testing" / "Slicer").glob("*.py")}


def test_the_extension_is_described_as_the_index_wants_it():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.search(r"project\(([^)]+)\)", text).group(1) == "MR2USPro"
    (icon,) = re.findall(r'set\(EXTENSION_ICONURL "[^"]+/main/([^"]+\.png)"\)', text)
    assert png_size(ROOT / icon) == (128, 128)
    (shots,) = re.findall(r'set\(EXTENSION_SCREENSHOTURLS "([^"]*)"\)', text)
    for url in shots.split():
        assert png_size(ROOT / url.split("/main/")[1]) > (200, 200)


def test_the_entry_of_the_index_is_in_its_form():
    path = ROOT / "Resources" / "MR2USPro.json"
    raw = path.read_bytes()
    entry = json.loads(raw)
    assert b"\r" not in raw
    assert raw.decode() == json.dumps(entry, indent=2, sort_keys=True) + "\n"
    allowed = {"$schema", "build_dependencies", "build_subdirectory", "category", "enabled", "scm_revision", "scm_type"}
    assert {"$schema", "category", "scm_url"} <= set(entry) <= allowed | {"scm_url", "tier"}
    assert entry["$schema"].endswith("slicer-extension-catalog-entry-schema-v1.0.1.json#")
    assert entry["category"] in {"Registration", "Ultrasound", "Image Synthesis", "IGT"}
    assert re.fullmatch(r"https://github\.com/[^/]+/Slicer(-|_)?[^/]+", entry["scm_url"])
    assert 1 <= entry["tier"] <= 5
    assert f'"{entry["scm_url"]}"' in (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_an_icon_and_imports_nothing_that_slicer_lacks(module):
    assert png_size(ROOT / module / "Resources" / "Icons" / f"{module}.png") == (128, 128)
    files = [ROOT / module / f"{module}.py", *(ROOT / module / "MR2USProPanels").glob("*.py")]
    for path in files:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            for name in names:
                top = name.split(".")[0]
                assert top in STANDARD_OR_SLICER or top in __import__("sys").stdlib_module_names, f"{path.name}: {name}"


@pytest.mark.parametrize("module", MODULES)
def test_nothing_runs_when_a_module_is_imported(module):
    """But for definitions: the index's reviewers look for this."""
    kinds = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.Assign, ast.AnnAssign, ast.Expr)
    for node in ast.parse((ROOT / module / f"{module}.py").read_text(encoding="utf-8")).body:
        assert isinstance(node, kinds), ast.dump(node)
        if isinstance(node, ast.Expr):
            assert isinstance(node.value, ast.Constant)


def png_size(path):
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", header[16:])
