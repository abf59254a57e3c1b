"""FSDiffReg (Qin and Li, MICCAI 2023): one encoder, whose diffusion decoder guides a registration decoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import CrossAttention, TimeEmbedding
from .diffusemorph import DiffuseMorph, DiffuseMorphSettings, Prediction
from .score_unet import (
    CHANNELS,
    UNIT,
    Encoder,
    Middle,
    ResidualBlock,
    Up,
    decoder_channels,
    draw_orthogonal,
    normalised_convolution,
)


@dataclass(frozen=True)
class FSDiffRegSettings(DiffuseMorphSettings):
    """How the network is fitted to one pair.

    Attributes:
        gamma: exponent of the score's sigmoid, with which the local correlation of each voxel counts.
    """

    iterations: int = 40
    learning_rate: float = 2e-3
    gamma: float = 1.0


class FieldHead(nn.Module):
    """One displacement at full resolution, from the features of both decoders."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = CrossAttention(channels)
        self.coarse = nn.Conv3d(channels, 3, 3, padding=1)
        self.fine = nn.Conv3d(3, 3, 3, padding=1)

    def forward(self, registration: Tensor, diffusion: Tensor, size: torch.Size) -> Tensor:
        """(batch, 3, *size)."""
        field = self.coarse(self.attention(registration, diffusion))
        return self.fine(F.interpolate(field, size=size, mode="nearest"))


class FSDiffRegNetwork(nn.Module):
    """Score and displacement, the mean of nine; 1,320,471 weights. Sizes are multiples of 8.

    The last convolution of every head begins at zero. The released orthogonal one begins with a random field of half a
    voxel, up to three, which few iterations do not undo.
    """

    def __init__(self) -> None:
        super().__init__()
        blocks = decoder_channels()
        self.time = TimeEmbedding(CHANNELS[0])
        self.encoder = Encoder()
        self.middle = Middle()
        self.score_decoder = nn.ModuleList(ResidualBlock(below + skip, c) for below, skip, c in blocks)
        self.field_decoder = nn.ModuleList(ResidualBlock(below + skip + c, c) for below, skip, c in blocks)
        self.score_up = nn.ModuleList(Up(c) for c in reversed(CHANNELS[1:]))
        self.field_up = nn.ModuleList(Up(c) for c in reversed(CHANNELS[1:]))
        self.heads = nn.ModuleList(FieldHead(c) for _, _, c in blocks)
        self.score = normalised_convolution(CHANNELS[0], 1)
        self.field = normalised_convolution(CHANNELS[0] + 1, 3, groups=3)
        draw_orthogonal(self)
        for module in self.modules():
            if isinstance(module, FieldHead):
                nn.init.zeros_(module.fine.weight)
        nn.init.zeros_(self.field[-1].weight)  # type: ignore[arg-type]  # it is a convolution

    def forward(self, moving: Tensor, fixed: Tensor, noised: Tensor, time: Tensor) -> Prediction:
        """Predict from pictures (batch, 1, depth, height, width) in [-1, 1] and times (batch,)."""
        embedded = self.time(time)
        features = self.encoder(torch.cat([moving, fixed, noised], dim=1), embedded)
        diffused = registered = self.middle(features[-1], embedded)
        fields = []
        for n, (score_block, field_block, head) in enumerate(
            zip(self.score_decoder, self.field_decoder, self.heads, strict=True)
        ):
            skip = features.pop()
            diffused = score_block(torch.cat([diffused, skip], dim=1), embedded)
            registered = field_block(torch.cat([registered, skip, diffused], dim=1), embedded)
            fields.append(head(registered, diffused, fixed.shape[2:]))
            if n % 2 and n // 2 < len(self.score_up):
                diffused, registered = self.score_up[n // 2](diffused), self.field_up[n // 2](registered)
        score = self.score(diffused)
        fields.append(self.field(torch.cat([registered, score], dim=1)))
        return Prediction(score, torch.stack(fields).mean(dim=0))


class FSDiffReg(DiffuseMorph):
    """DiffuseMorph's loss, but that the score says where the correlation counts (its score-wise guidance)."""

    name = "fsdiffreg"
    settings: FSDiffRegSettings
    settings_type = FSDiffRegSettings
    blocks = (ResidualBlock, FieldHead)
    unit = UNIT

    @classmethod
    def for_cohort(cls, pairs: int) -> FSDiffReg:
        """At the published learning rate."""
        return cls(FSDiffRegSettings(iterations=max(2000, 30 * pairs), learning_rate=2e-4, decay=False))

    def network(self) -> nn.Module:
        """A new network, at identity."""
        return FSDiffRegNetwork()

    def weighed(self, agreement: Tensor, score: Tensor) -> Tensor:
        """By the score's sigmoid; the score is not held, so the network may raise it where the pictures agree."""
        return agreement * torch.sigmoid(score) ** self.settings.gamma
