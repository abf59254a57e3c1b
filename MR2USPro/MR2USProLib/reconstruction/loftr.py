"""LoFTR, the paper's third matcher: a trained network pairs two pictures without key points.

J. Sun et al., LoFTR: Detector-Free Local Feature Matching with Transformers, CVPR 2021, as Kornia implements it. Its
weights are not ours to give and nothing is fetched: the user names a file.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from kornia.feature.loftr.loftr import LoFTR, default_cfg
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError

LARGEST_PX = 60_000
"""Frames with more pixels are shrunk to about as many: three seconds each on a core."""

PREFIX = "matcher."
"""Before the names of all tensors in the authors' files."""

NEWER = "new"
"""In the name of the authors' newer indoor weights, which were trained with another encoding of the position."""


class LoftrMatcher:
    """Pairs places of two pictures with a network from a file."""

    name = "loftr"

    def __init__(self, weights: str | Path, device: str = "cpu") -> None:
        """Read the network.

        Args:
            weights: the authors' checkpoint or Kornia's, or its tensors as safetensors. No code in it is run.
            device: where the network runs.

        Raises:
            InputError: no such file, or it does not hold LoFTR's weights.
        """
        path = Path(weights)
        tensors = {name.removeprefix(PREFIX): tensor for name, tensor in _tensors(path).items()}
        config: dict[str, Any] = deepcopy(default_cfg)
        config["coarse"]["temp_bug_fix"] = NEWER in path.stem
        network = LoFTR(pretrained=None, config=config)
        try:
            network.load_state_dict(tensors)
        except RuntimeError as error:
            raise InputError(_refused(path)) from error
        self._network = network.eval().to(device)
        self._device = device

    def differences(
        self,
        picture: NDArray[np.uint8],
        mask: NDArray[np.bool_],
        window: NDArray[np.uint8],
        window_mask: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Coordinate differences (n, 2) [x, y] of the pairs, window minus picture, in px, where both masks are true."""
        scale = min(1.0, (LARGEST_PX / picture.size) ** 0.5)
        sides = [self._side(side, scale) for side in (picture, window)]
        with torch.inference_mode():
            found = self._network({f"image{n}": side for n, side in enumerate(sides)})
        here, there = (
            # The network's origin is the outer corner of the first pixel, also of shrunk ones.
            found[f"keypoints{n}"].cpu().double().numpy()
            * [full.shape[1] / side.shape[3], full.shape[0] / side.shape[2]]
            for n, (full, side) in enumerate(zip((picture, window), sides, strict=True))
        )
        counts = _inside(here, mask) & _inside(there, window_mask)
        return np.asarray(there[counts] - here[counts], np.float64)

    def _side(self, picture: NDArray[np.uint8], scale: float) -> Tensor:
        if scale < 1:
            picture = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        return torch.from_numpy(picture.astype(np.float32) / 255)[None, None].to(self._device)


def _tensors(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise InputError(f"The LoFTR weights {path} do not exist: check --loftr-weights.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # as many kinds as there are ways for a file not to be one
        raise InputError(_refused(path)) from error
    tensors = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(tensors, dict) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise InputError(_refused(path))
    return tensors


def _refused(path: Path) -> str:
    return (
        f"{path.name} does not hold LoFTR's weights: give --loftr-weights a checkpoint or safetensors of that network."
    )


def _inside(points: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    rows, columns = mask.shape
    x, y = (np.clip(points[:, axis].astype(int), 0, size - 1) for axis, size in ((0, columns), (1, rows)))
    return np.asarray(mask[y, x], bool)
