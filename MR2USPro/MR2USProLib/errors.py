"""The ways in which work ends early without anything being wrong with the program."""

from __future__ import annotations


class InputError(Exception):
    """Bad input. The message is one sentence: what is wrong and what to do about it."""


class Cancelled(Exception):
    """The user asked to stop."""


OUT_OF_MEMORY = "Memory ran out: close other programs, or ask for larger voxels, a smaller region or a smaller preset."
"""What to say of a MemoryError, which no stage can foresee on every system."""
