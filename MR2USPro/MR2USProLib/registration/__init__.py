"""Registration of the translated pair: initial alignment, the networks and their trainer, uncertainty, transforms."""

from typing import Final

SELF_SIMILARITY: Final = "self-similarity"
"""No network: what both pictures show alike moves the MR."""
SURFACES: Final = "surfaces"
"""No network: masks and landmark pairs alone move the MR."""
