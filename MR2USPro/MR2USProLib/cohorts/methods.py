"""The methods that are compared: a translation with a registration behind it, by the names of the command line."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError
from ..registration import SELF_SIMILARITY, SURFACES

START = "start"
"""The row of no method at all: the pair at its start."""

TRANSLATIONS = ("none", "unsb", "pmt", "acmt")
NETWORKS = ("diffusemorph", "fsdiffreg", "anatomy-aware", "voxelmorph")
CLASSICAL = ("simpleitk", "demons")
WITHOUT_NETWORK = (SELF_SIMILARITY, *CLASSICAL)
FINDER = "finder"
"""The start alone, from boxes, as a cohort's boxes taught it; no translation goes before it."""
REGISTER = "register"
"""What ``mr2us register`` does by itself with a box in each image: the finder's start, and self-similarity from it."""
FROM_BOXES = (FINDER, SURFACES, REGISTER)
"""Those that learn nothing but where a gland lies in its box, and how it is turned: one finder for all of them."""


@dataclass(frozen=True, order=True)
class Combination:
    """A method as it is compared: a translation and the registration behind it, as ``acmt+anatomy-aware``."""

    translation: str
    registration: str

    def __str__(self) -> str:
        return f"{self.translation}+{self.registration}"

    @property
    def is_network(self) -> bool:
        """Whether the registration is a network, which learns from a cohort and is fitted to a pair."""
        return self.registration in NETWORKS

    @property
    def is_from_boxes(self) -> bool:
        """Whether it begins with what a finder sees in the boxes."""
        return self.registration in FROM_BOXES

    @staticmethod
    def named(text: str) -> Combination:
        """The method of this name; a registration alone is one without translation.

        Raises:
            InputError: there is no such translation or registration.
        """
        translation, _, registration = text.strip().rpartition("+")
        method = Combination(translation or "none", registration)
        if method.translation == "none" and method.registration in FROM_BOXES:
            return method
        if method.translation not in TRANSLATIONS or method.registration not in (*NETWORKS, *WITHOUT_NETWORK):
            raise InputError(
                f"There is no method '{text.strip()}' (--methods): join one of {', '.join(TRANSLATIONS)} and one of "
                f"{', '.join((*NETWORKS, *WITHOUT_NETWORK))} with a plus, as in acmt+anatomy-aware, or give one of "
                f"{', '.join(FROM_BOXES)}."
            )
        return method


TABLE_II = tuple(
    map(
        Combination.named,
        (
            "none+simpleitk",
            "none+voxelmorph",
            "none+diffusemorph",
            "none+fsdiffreg",
            "unsb+fsdiffreg",
            "pmt+fsdiffreg",
            "acmt+fsdiffreg",
            "acmt+anatomy-aware",
            "none+self-similarity",
            "register",
        ),
    )
)
"""What the paper crosses in its Table II, ending with MR2US-Pro; before them the rivals that everyone has, behind them
what ``register`` does by itself, from the start that all have and from its own."""
