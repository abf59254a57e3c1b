"""LoFTR from a file: what is refused, and that its pairs stitch a sweep as key points do."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter

import untrained_loftr
from MR2USProLib import pipeline
from MR2USProLib.commands.stitch import run
from MR2USProLib.errors import InputError
from MR2USProLib.reconstruction.displacement import largest_cluster
from MR2USProLib.reconstruction.loftr import LoftrMatcher
from MR2USProLib.reconstruction.mosaic import read_positions
from MR2USProLib.video.exam import write_stack
from sliding_speckle import Sweep, sweep


@pytest.fixture(scope="module")
def slid() -> Sweep:
    return sweep(8.0 * np.arange(5), shape=(104, 136), decorrelation=0.0, jitter_px=0.0, overlay=False, seed=2)


@pytest.fixture(scope="module")
def picture(slid: Sweep) -> np.ndarray:
    return np.asarray(gaussian_filter(slid.sheet, 1).clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def checkpoint(picture: np.ndarray, tmp_path_factory) -> Path:
    """As the authors write theirs."""
    path = tmp_path_factory.mktemp("loftr") / "outdoor.ckpt"
    state = untrained_loftr.tensors(picture)
    torch.save({"state_dict": {f"matcher.{name}": tensor for name, tensor in state.items()}}, path)
    return path


@pytest.mark.parametrize("shift", [0, 16])
def test_a_picture_is_found_in_itself(picture, checkpoint, shift):
    here = np.ascontiguousarray(picture[:, shift : shift + 120])
    there = np.ascontiguousarray(picture[:, :150])
    mask = np.ones(here.shape, bool)
    mask[:, 64:] = False
    differences = LoftrMatcher(checkpoint).differences(here, mask, there, np.ones(there.shape, bool))
    found = largest_cluster(differences)
    assert found is not None
    assert 5 < found.inliers <= (mask.size // 2) // 64 + 20  # one pair for each 8 x 8 pixels, of the left half alone
    assert found.offset_px == pytest.approx([shift, 0], abs=1.5)


def test_large_pictures_are_shrunk_and_shifts_are_told_in_their_pixels(picture, checkpoint, monkeypatch):
    here, there = (np.ascontiguousarray(picture[:96, x : x + 128].repeat(2, 0).repeat(2, 1)) for x in (16, 0))
    monkeypatch.setattr("MR2USProLib.reconstruction.loftr.LARGEST_PX", 96 * 128)
    mask = np.ones(here.shape, bool)
    differences = LoftrMatcher(checkpoint).differences(here, mask, there, mask)
    assert len(differences) > 10
    assert np.median(differences, axis=0) == pytest.approx([32, 0], abs=2)


def test_a_sweep_is_stitched(slid, checkpoint, tmp_path):
    write_stack(tmp_path / "sagittal.nrrd", slid.frames, (0.5, 0.5))
    found = run(
        out=tmp_path / "out",
        sagittal=tmp_path / "sagittal.nrrd",
        matcher="loftr",
        loftr_weights=str(checkpoint),
        device="cpu",
    )
    assert found["matcher_used"] == "loftr"
    positions, usable = read_positions(tmp_path / "out" / "positions.csv")
    assert usable.all()
    assert positions == pytest.approx(slid.offsets_px[:, 0] * 0.5, abs=0.2)


def test_safetensors_are_the_same_network(picture, checkpoint, tmp_path):
    path = tmp_path / "loftr.safetensors"
    content = torch.load(checkpoint, weights_only=True)["state_dict"]
    save_file({name.removeprefix("matcher."): tensor for name, tensor in content.items()}, path)
    here, mask = np.ascontiguousarray(picture[:, :96]), np.ones((picture.shape[0], 96), bool)
    one, other = (LoftrMatcher(weights).differences(here, mask, here, mask) for weights in (checkpoint, path))
    assert len(one) > 5
    assert np.array_equal(one, other)


def test_the_newer_indoor_weights_get_their_own_encoding(checkpoint, tmp_path):
    newer = tmp_path / "loftr_indoor_ds_new.ckpt"
    newer.write_bytes(checkpoint.read_bytes())
    encodings = [LoftrMatcher(path)._network.pos_encoding.temp_bug_fix for path in (checkpoint, newer)]
    assert encodings == [False, True]


def test_what_is_no_network_is_refused(slid, tmp_path):
    with pytest.raises(InputError, match="--loftr-weights"):
        pipeline.stitch(slid.frames, 0.5, matcher="loftr")
    with pytest.raises(InputError, match="do not exist"):
        LoftrMatcher(tmp_path / "none.ckpt")
    wrong = tmp_path / "wrong.ckpt"
    torch.save({"state_dict": {"weight": torch.ones(3)}}, wrong)
    with pytest.raises(InputError, match=r"wrong\.ckpt does not hold LoFTR"):
        LoftrMatcher(wrong)
    for name, content in (("text.ckpt", b"no network"), ("text.safetensors", b"no network")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="does not hold LoFTR"):
            LoftrMatcher(tmp_path / name)


class Runs:
    """What would run code when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


def test_nothing_in_a_checkpoint_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Runs()}, tmp_path / "evil.ckpt")
    with pytest.raises(InputError, match="does not hold LoFTR"):
        LoftrMatcher(tmp_path / "evil.ckpt")
    assert not Path("ran").exists()
