import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from MR2USProLib import outputs
from MR2USProLib.errors import InputError
from MR2USProLib.outputs import held, spare, staged, whole, write_json
from MR2USProLib.provenance import Record


def test_files_appear_only_when_the_block_ends_well(tmp_path):
    out = tmp_path / "out"
    with staged(out) as folder:
        (folder / "a.txt").write_text("new")
        assert not (out / "a.txt").exists()
    assert (out / "a.txt").read_text() == "new"
    assert [path.name for path in out.iterdir()] == ["a.txt"]


def test_nothing_of_an_earlier_run_stays_beside_the_files_of_a_later_one(tmp_path):
    for written in (("a.txt", "sometimes.txt"), ("a.txt",)):
        with staged(tmp_path, optional=["sometimes.txt"]) as folder:
            for name in written:
                (folder / name).write_text("new")
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(written)
    (tmp_path / "sometimes.txt").write_text("old")
    with pytest.raises(ZeroDivisionError), staged(tmp_path, optional=["sometimes.txt"]):
        raise ZeroDivisionError
    assert (tmp_path / "sometimes.txt").exists()


def test_a_result_does_not_take_the_place_of_an_input(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for given in (tmp_path / "out" / "a.csv", "out/../out/a.csv"):
        with pytest.raises(InputError, match=r"a\.csv is an input"):
            spare(Path("out"), ["a.csv", "b.csv"], [None, given])
    spare(Path("out"), ["b.csv"], [tmp_path / "out" / "a.csv"])
    spare(Path("out"), ["a.csv"], ["a.csv", None])


def test_a_failure_leaves_the_folder_as_it_was(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.txt").write_text("old")
    with pytest.raises(ZeroDivisionError), staged(out) as folder:
        (folder / "a.txt").write_text("half")
        raise ZeroDivisionError
    assert (out / "a.txt").read_text() == "old"
    assert [path.name for path in out.iterdir()] == ["a.txt"]


def test_a_failure_does_not_leave_a_folder_behind(tmp_path):
    for within in (staged, held):
        with pytest.raises(ZeroDivisionError), within(tmp_path / "new" / "deep"):
            raise ZeroDivisionError
        assert not (tmp_path / "new").exists()


def test_what_a_killed_run_left_is_cleared(tmp_path):
    gone = tmp_path / ".writing-999999999-abc"
    gone.mkdir()
    mine = tmp_path / f".writing-{os.getpid()}-abc"
    mine.mkdir()
    with staged(tmp_path):
        pass
    assert not gone.exists()
    assert mine.exists()


def test_a_file_in_the_folders_place_is_refused_with_a_sentence(tmp_path):
    (tmp_path / "out").write_text("I am a file")
    with pytest.raises(InputError, match="not a folder"), staged(tmp_path / "out"):
        pass


@pytest.mark.parametrize(
    ("denied", "says"),
    [("in/exam.dcm", "exam.dcm may not be read"), ("out/part", "out cannot be written"), ("", "out cannot be written")],
)
def test_what_the_system_forbids_is_told_of_the_file_that_it_forbids(tmp_path, denied, says):
    with pytest.raises(InputError, match=says), staged(tmp_path / "out"):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / denied))


def test_json_has_plain_numbers_and_null_for_nan(tmp_path):
    write_json(tmp_path / "a.json", {"n": np.float32(1.5), "list": np.array([1, 2]), "nan": float("nan"), "t": (1, 2)})
    assert json.loads((tmp_path / "a.json").read_text()) == {"n": 1.5, "list": [1, 2], "nan": None, "t": [1, 2]}


def test_a_record_tells_what_was_read_by_its_hash_and_not_by_its_name(tmp_path):
    path = tmp_path / "Doe^John.nrrd"
    path.write_bytes(b"abc")
    record = Record("register", {"seed": 3}, {"moving": path})
    with record.timed("register"):
        pass
    text = json.dumps(record.as_dict())
    # SHA-256 of "abc", from the standard's own examples.
    assert "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" in text
    assert "Doe" not in text
    assert str(tmp_path) not in text
    assert record.as_dict()["versions"]["numpy"] == np.__version__


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "pieces" / "row.json"
    with whole(path) as draft:
        draft.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half"
    with pytest.raises(RuntimeError, match="killed"), whole(path) as draft:
        draft.write_text("other")
        raise RuntimeError("killed")
    assert path.read_text() == "half"
    assert [p.name for p in path.parent.iterdir()] == ["row.json"]


def test_a_folder_is_held_by_one_run_and_free_when_that_is_killed(tmp_path):
    holding = (
        "import sys, time; from pathlib import Path; from MR2USProLib.outputs import held\n"
        "with held(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    engine = Path(outputs.__file__).parents[1]
    other = subprocess.Popen(
        [sys.executable, "-c", holding, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(engine)},
    )
    try:
        assert other.stdout.readline().strip() == b"held"
        with pytest.raises(InputError, match="Another run works in"), held(tmp_path):
            pass
    finally:
        other.kill()
        other.wait()
    with held(tmp_path):
        assert tmp_path.is_dir()


def test_a_folder_that_was_made_for_a_run_that_kept_nothing_is_removed(tmp_path):
    new, old = tmp_path / "new", tmp_path / "old"
    old.mkdir()
    for folder in (new, old):
        with pytest.raises(InputError, match="nothing to do"), held(folder):
            raise InputError("nothing to do")
    assert not new.exists()
    assert old.is_dir()
    with held(new):
        (new / "piece").touch()
    assert (new / "piece").is_file()
