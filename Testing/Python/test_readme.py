"""What the README shows is there and runs as it stands."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_picture_and_path_is_there():
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", TEXT)
    assert len(shown) >= 4
    tree = re.search(r"## The tree\n\n```\n(.*?)```", TEXT, re.DOTALL).group(1)
    named = re.findall(r"^(\S+/|\S+\.\w+)\s", tree, re.MULTILINE)
    assert [name for name in [*shown, *named] if not (ROOT / name).exists()] == []


def test_the_screenshots_of_the_extension_are_those_of_the_readme():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    (urls,) = re.findall(r'set\(EXTENSION_SCREENSHOTURLS "([^"]*)"\)', text)
    for url in urls.split():
        assert url.split("/main/")[1] in TEXT


@pytest.mark.slow
def test_the_script_runs_as_it_stands(slicerApp, capsys):
    (script,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    slicerApp.loadModule("MR2USPro")
    exec(compile(script, "README.md", "exec"), {})
    printed = capsys.readouterr().out.split()
    assert {"trus.nrrd", "mr_on_trus.nrrd", "mr_to_trus.h5", "report.html"} <= set(printed)
