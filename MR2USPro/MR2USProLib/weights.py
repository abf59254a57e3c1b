"""Trained networks as files that say what they are: safetensors, so that loading one runs no code.

One file holds one or more parts, each a network of one method with everything needed to rebuild it. How a file came to
be (program, seed, number of cases, never their names) travels with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Role = Literal["translation", "registration", "finder"]
"""What a part does: translates, registers, or finds the gland."""

FORMAT = "mr2us-weights-1"


@dataclass(frozen=True)
class Part:
    """One network.

    Attributes:
        method: whose network it is, as the command line names it.
        settings: what rebuilds the network; numbers, texts, lists and mappings only.
        tensors: its state, by name.
    """

    method: str
    settings: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True)
class Weights:
    """What a file of weights holds.

    Attributes:
        parts: the networks by their role.
        training: how they were trained.
    """

    parts: Mapping[Role, Part]
    training: Mapping[str, Any] = field(default_factory=dict)

    def part(self, role: Role, method: str) -> Part | None:
        """The network of this role, or None where the file has none.

        Raises:
            InputError: it belongs to another method.
        """
        part = self.parts.get(role)
        if part is not None and part.method != method:
            raise InputError(
                f"The weights hold {part.method} for the {role}, not {method}: choose {part.method} or other weights."
            )
        return part


def write_weights(path: Path, weights: Weights) -> None:
    """Write a file of weights."""
    from safetensors.torch import save

    tensors = {
        f"{role}/{name}": tensor.detach().cpu().contiguous()
        for role, part in weights.parts.items()
        for name, tensor in part.tensors.items()
    }
    parts = {role: {"method": part.method, "settings": dict(part.settings)} for role, part in weights.parts.items()}
    about = {"format": FORMAT, "parts": json.dumps(parts), "training": json.dumps(dict(weights.training))}
    # Not by its own writer, which tells a full disk by no OSError and lets nobody else read the file.
    path.write_bytes(save(tensors, metadata=about))


def read_weights(path: Path) -> Weights:
    """Read a file of weights; nothing in it is run.

    Raises:
        InputError: no such file, not safetensors, or not weights of this program.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputError(f"The weights {path} do not exist: check the path.")
    try:
        with safe_open(str(path), framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path.name} is no safetensors file: give weights that 'mr2us train' wrote.") from error
    try:
        if about["format"] != FORMAT:
            raise KeyError(about["format"])
        parts = {
            role: Part(
                entry["method"],
                entry["settings"],
                {name.removeprefix(f"{role}/"): t for name, t in tensors.items() if name.startswith(f"{role}/")},
            )
            for role, entry in json.loads(about["parts"]).items()
        }
        training = json.loads(about["training"])
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise InputError(f"{path.name} holds no weights of MR2USPro: give weights that 'mr2us train' wrote.") from error
    return Weights(parts, training)
