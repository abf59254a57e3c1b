"""Libraries in C that print on stderr by themselves, where one sentence of ours says what is wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hushed() -> Iterator[None]:
    """Nothing reaches the stderr of this process while the block runs.

    HDF5 and MetaIO tell of a broken file or a full disk there, in up to 25 lines, before they raise.
    """
    try:
        kept = os.dup(2)
    except OSError:  # a program without a console has none
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
