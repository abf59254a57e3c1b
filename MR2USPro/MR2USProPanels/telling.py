"""What goes wrong when a button is pressed is told to the user, not to the console."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import slicer

from MR2USProLib.errors import InputError

from .words import forPanel


@contextmanager
def told(failed: str, waitCursor: bool = True) -> Iterator[None]:
    """Show an error of the user's input as its sentence, and any other with its details, as a fault.

    Args:
        failed: what did not happen, in a sentence; shown above the details of a fault.
        waitCursor: whether the block takes long enough for one.
    """
    with slicer.util.tryWithErrorDisplay(failed, waitCursor=waitCursor):
        try:
            yield
        except InputError as error:
            slicer.util.errorDisplay(forPanel(str(error)))
