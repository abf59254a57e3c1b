"""A training that was interrupted: everything that is needed to go on as if it had not been."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from .errors import InputError
from .outputs import whole


def write_checkpoint(
    path: Path, done: int, state: Mapping[str, Any], history: Mapping[str, list[float]], training: Mapping[str, Any]
) -> None:
    """Keep a training in a file, which is whole at any time.

    Args:
        path: the file.
        done: iterations so far.
        state: what has a ``state_dict``, by name.
        history: values of each iteration, by name.
        training: what tells this training from others; numbers, texts, lists and mappings only.

    Raises:
        InputError: the file cannot be written, or the disk is full.
    """
    random = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_initialized():
        random["cuda"] = torch.cuda.get_rng_state()
    content = {
        "training": dict(training),
        "done": done,
        "history": dict(history),
        "random": random,
        "state": {name: part.state_dict() for name, part in state.items()},
    }
    with whole(path) as draft:
        torch.save(content, draft)


def read_checkpoint(
    path: Path, state: Mapping[str, Any], history: dict[str, list[float]], training: Mapping[str, Any]
) -> int:
    """Go on with the training that a file holds; 0 and no change where there is no such file.

    Args:
        path: the file.
        state: what gets its ``state_dict`` back.
        history: filled.
        training: see :func:`write_checkpoint`.

    Returns:
        The iterations that are done.

    Raises:
        InputError: the file holds another training, or none.
    """
    if not path.is_file():
        return 0
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        same = content["training"] == dict(training)
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError) as error:
        raise InputError(f"{path.name} holds no training: remove it to start anew.") from error
    if not same:
        raise InputError(f"{path.name} holds a training with other settings or pairs: remove it to start anew.")
    for name, part in state.items():
        part.load_state_dict(content["state"][name])
    history.update(content["history"])
    torch.set_rng_state(content["random"]["cpu"])
    if "cuda" in content["random"] and torch.cuda.is_available():
        torch.cuda.set_rng_state(content["random"]["cuda"])
    return int(content["done"])
