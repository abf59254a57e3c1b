"""What makes training fast and small on a graphics card, and does nothing on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .method import Method, Network


@dataclass(frozen=True)
class Acceleration:
    """How a network is run.

    Attributes:
        device: of torch.
        dtype: what its layers compute in; None for float32. What leaves the network is float32 in any case.
        channels_last: whether channels lie next to each other in memory.
        recompute: whether the blocks' features are made again for the gradient instead of being kept.
    """

    device: str
    dtype: torch.dtype | None = None
    channels_last: bool = False
    recompute: bool = False

    @staticmethod
    def chosen(method: Method, device: str) -> Acceleration:
        """What the settings of a method mean on a device."""
        settings = method.settings
        if not device.startswith("cuda"):
            return Acceleration(device, channels_last=settings.channels_last)
        # Cards before Ampere do without bfloat16, and torch would emulate it, slowly.
        half = torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
        dtype = half if settings.mixed_precision else None
        return Acceleration(device, dtype, settings.channels_last, settings.recompute)

    def place(self, network: nn.Module, method: Method) -> nn.Module:
        """The network, on the device and as it is to be run."""
        network.to(self.device)
        if self.channels_last:
            network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # missing in torch's stubs
        if self.recompute:
            for module in network.modules():
                if isinstance(module, method.blocks):
                    module.forward = partial(_recomputed, module.forward)
        return network

    def call(self, network: nn.Module) -> Network:
        """The network as it is called by the losses."""
        if self.dtype is None:
            return network

        def run(*given: Tensor) -> Any:  # noqa: ANN401  # a named tuple of the network's own
            with torch.autocast(torch.device(self.device).type, self.dtype):
                found = network(*given)
            return type(found)(*(x.float() for x in found))

        return run

    @property
    def scales(self) -> bool:
        """Whether gradients are scaled, lest they vanish in float16."""
        return self.dtype is torch.float16


def _recomputed(forward: Callable[..., Tensor], *given: Tensor) -> Tensor:
    if not torch.is_grad_enabled():
        return forward(*given)
    return checkpoint(forward, *given, use_reentrant=False)
