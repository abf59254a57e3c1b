"""Memory: what is free here, what a registration takes, and whether the one fits the other before it begins."""

from __future__ import annotations

from .errors import InputError

BASE_GB = 0.9
"""The program with its libraries, both images and what is written of them."""

TRANSLATION_GB = {"fast": 0.5, "balanced": 0.6, "paper": 1.6}
"""What fitting a translation adds to that."""

REGISTRATION_GB = {
    "self-similarity": {"fast": 0.3, "balanced": 0.4, "paper": 0.6},
    "anatomy-aware": {"fast": 0.2, "balanced": 0.5, "paper": 0.9},
    "voxelmorph": {"fast": 0.5, "balanced": 1.2, "paper": 2.8},
    "diffusemorph": {"fast": 0.8, "balanced": 2.2, "paper": 4.6},
    "fsdiffreg": {"fast": 1.3, "balanced": 3.9, "paper": 8.1},
}
"""What fitting a registration adds to it: the largest of the two counts, as they follow each other."""


def available_gb() -> float:
    """What programs can still take without others being pushed out, GB."""
    import psutil

    return float(psutil.virtual_memory().available) / 1e9


def needed_gb(registration: str, preset: str, translation: str = "none") -> float:
    """What fitting a registration behind a translation takes, GB, on the CPU."""
    translating = 0.0 if translation == "none" else TRANSLATION_GB[preset]
    return BASE_GB + max(translating, REGISTRATION_GB.get(registration, {}).get(preset, 0.0))


def check_fits(registration: str, preset: str, translation: str = "none") -> None:
    """See that there is memory enough for a registration on the CPU.

    Args:
        registration: the method.
        preset: size of the grid.
        translation: what comes before it.

    Raises:
        InputError: there is not; it says what would fit.
    """
    needed, free = needed_gb(registration, preset, translation), available_gb()
    if needed <= free:
        return
    fitting = [name for name in TRANSLATION_GB if needed_gb(registration, name, translation) <= free]
    advice = f"choose --preset {fitting[-1]}" if fitting else "close other programs"
    if not fitting and needed_gb("self-similarity", "fast") <= free:
        advice = "choose --registration self-similarity --preset fast"
    raise InputError(
        f"{registration} with --preset {preset} takes about {needed:.1f} GB of memory, and {free:.1f} GB are free: "
        f"{advice}."
    )
