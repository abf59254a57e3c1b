"""Files of weights: what is written comes back, and what is no such file is refused and runs nothing."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from MR2USProLib.errors import InputError
from MR2USProLib.weights import Part, Weights, read_weights, write_weights

PART = Part("acmt", {"channels": 8, "slab": True}, {"stem.0.weight": torch.arange(6.0).reshape(2, 3)})


def test_what_is_written_comes_back(tmp_path):
    write_weights(tmp_path / "w.safetensors", Weights({"translation": PART}, {"seed": 3}))
    back = read_weights(tmp_path / "w.safetensors")
    assert back.training == {"seed": 3}
    part = back.part("translation", "acmt")
    assert (part.method, part.settings) == (PART.method, PART.settings)
    assert torch.equal(part.tensors["stem.0.weight"], PART.tensors["stem.0.weight"])
    assert back.part("registration", "anatomy-aware") is None
    with pytest.raises(InputError, match="hold acmt for the translation, not unsb"):
        back.part("translation", "unsb")


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the file was run",))


@pytest.mark.parametrize("kind", ["missing", "text", "pickle", "foreign", "torn"])
def test_what_is_no_such_file_is_refused_in_one_sentence(tmp_path, kind):
    path = tmp_path / "w.safetensors"
    if kind == "text":
        path.write_text("hello")
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(Bomb()))
    elif kind == "foreign":
        save_file({"a": torch.zeros(2)}, str(path))
    elif kind == "torn":
        write_weights(path, Weights({"translation": PART}))
        path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match=r"^[^.\n]*(w\.safetensors)[^\n]*\.$") as told:
        read_weights(path)
    assert "mr2us train" in str(told.value) or kind == "missing"


def test_a_full_disk_is_told_as_such_and_others_may_read_the_file(tmp_path):
    weights = Weights({"translation": PART})
    write_weights(tmp_path / "a.safetensors", weights)
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("only Linux has a file that is always full")
    with pytest.raises(OSError, match="No space left"):
        write_weights(full, weights)
