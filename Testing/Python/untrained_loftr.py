"""A LoFTR that was not trained and yet tells places apart: its random features are whitened on one picture."""

from __future__ import annotations

import numpy as np
import torch
from kornia.feature.loftr import LoFTR
from numpy.typing import NDArray
from torch import Tensor

FEATURES = 40


def tensors(picture: NDArray[np.uint8]) -> dict[str, Tensor]:
    """Weights of a network whose backbone is random, and whose transformers let its features pass unchanged."""
    torch.manual_seed(0)
    network = LoFTR(pretrained=None).eval()
    for layer in [*network.loftr_coarse.layers, *network.loftr_fine.layers]:
        torch.nn.init.zeros_(layer.norm2.weight)
        torch.nn.init.zeros_(layer.norm2.bias)
    last, seen = network.backbone.layer3_outconv, []
    last.register_forward_pre_hook(lambda _module, given: seen.append(given[0][0].flatten(1)))
    with torch.inference_mode():
        network.extract_features(torch.from_numpy(picture.astype(np.float32) / 255)[None, None])
        mean = seen[0].mean(dim=1, keepdim=True)
        axes, sizes, _ = torch.linalg.svd(seen[0] - mean, full_matrices=False)
        axes, along = axes[:, :FEATURES], mean / mean.norm()
        axes = axes - along @ (along.T @ axes)
        state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        state["backbone.layer3_outconv.weight"].zero_()
        state["backbone.layer3_outconv.weight"][:FEATURES, :, 0, 0] = 900 * (axes / sizes[:FEATURES]).T
    return state
