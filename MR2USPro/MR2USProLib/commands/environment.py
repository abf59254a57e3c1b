"""``environment``: what the worker finds where it runs: packages, device, memory, and how fast it computes."""

from __future__ import annotations

import os
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from ..devices import working_device
from ..memory import needed_gb
from ..progress import SILENT, Progress

REQUIREMENTS = Path(__file__).resolve().parents[2] / "Resources" / "requirements.txt"

REFERENCE_GFLOPS = 105.0
"""Speed of the machine on which :data:`PRESETS` was measured, as :func:`_speed` measures it."""

PRESETS = {
    "self-similarity": {"fast": 40.0, "balanced": 45.0, "paper": 50.0},
    "anatomy-aware": {"fast": 100.0, "balanced": 225.0, "paper": 720.0},
}
"""Seconds of a registration on two cores of that machine, that of a network with the translation before it."""


def run(*, out: Path, progress: Progress = SILENT) -> dict[str, Any]:
    """Look, and return plain figures; nothing is written to ``out``, nothing installed, nothing downloaded.

    Returns:
        ``python``; ``packages``: name, required, installed (None where missing) and whether that is enough;
        ``torch``: version or None; ``device``: ``cpu`` or ``cuda``, with its name; ``trouble``: why a CUDA device
        cannot be used; ``cores``; ``memory_gb`` and ``memory_free_gb`` (None where the system does not say);
        ``presets``: by registration and preset, seconds and memory (GB) that it is expected to take here, where torch
        is there.
    """
    progress = progress.named("Look")
    packages = required_packages()
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "packages": packages,
        "torch": None,
        "device": "cpu",
        "device_name": platform.processor() or platform.machine(),
        "trouble": "",
        "cores": os.cpu_count(),
        "presets": {},
        **_memory(),
    }
    if any(package["name"] == "torch" and package["installed"] for package in packages):
        progress.report(0.1, "Loading PyTorch")
        import torch

        found["torch"] = torch.__version__
        found["device"], found["trouble"] = working_device("auto")
        if found["device"] == "cuda":
            found["device_name"] = torch.cuda.get_device_name()
            free, total = torch.cuda.mem_get_info()
            found["device_memory_gb"], found["device_memory_free_gb"] = total / 1e9, free / 1e9
        progress.report(0.7, "Measuring how fast it computes")
        slower = REFERENCE_GFLOPS / _speed(found["device"])
        found["presets"] = {
            method: {
                name: {
                    "seconds": seconds * slower,
                    "memory_gb": needed_gb(method, name, "none" if method == "self-similarity" else "acmt"),
                }
                for name, seconds in presets.items()
            }
            for method, presets in PRESETS.items()
        }
    progress.report(1.0)
    return found


def required_packages() -> list[dict[str, Any]]:
    """Every package that the engine requires, and whether it is there; imports none of them."""
    from packaging.requirements import Requirement

    packages = []
    for line in REQUIREMENTS.read_text("utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        requirement = Requirement(line)
        try:
            installed: str | None = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            installed = None
        packages.append(
            {
                "name": requirement.name,
                "required": str(requirement.specifier),
                "installed": installed,
                "enough": installed is not None and requirement.specifier.contains(installed, prereleases=True),
            }
        )
    return packages


def _speed(device: str) -> float:
    """Thousand millions of floating-point operations a second in what the networks do most: 3-D convolutions."""
    import torch
    from torch.nn.functional import conv3d

    image = torch.rand(2, 16, 16, 32, 32, device=device)
    kernel = torch.rand(16, 16, 3, 3, 3, device=device)
    conv3d(image, kernel, padding=1).sum().item()  # the first one sets things up
    operations, fastest, start = 2 * image.numel() * kernel[0].numel(), float("inf"), time.perf_counter()
    while (begun := time.perf_counter()) - start < 0.5:
        conv3d(image, kernel, padding=1).sum().item()
        fastest = min(fastest, time.perf_counter() - begun)  # the one that other programs disturbed least
    return operations / fastest / 1e9


def _memory() -> dict[str, float | None]:
    """Memory of the machine in GB, and what of it is free now; None where psutil is missing."""
    try:
        import psutil
    except ImportError:
        return {"memory_gb": None, "memory_free_gb": None}
    found = psutil.virtual_memory()
    return {"memory_gb": found.total / 1e9, "memory_free_gb": found.available / 1e9}
