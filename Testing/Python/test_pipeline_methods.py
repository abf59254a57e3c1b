"""What register does where nobody says how: the one rule, with and without trained networks."""

import pytest

from MR2USProLib.pipeline import methods_for
from MR2USProLib.weights import Part, Weights

TRAINED = Weights({"translation": Part("pmt", {}, {}), "registration": Part("voxelmorph", {}, {})})
FINDER = Weights({"finder": Part("ridge", {}, {})})


@pytest.mark.parametrize(
    ("translation", "registration", "weights", "expected"),
    [
        ("auto", "auto", None, ("none", "self-similarity")),
        ("auto", "auto", FINDER, ("none", "self-similarity")),
        ("auto", "auto", TRAINED, ("pmt", "voxelmorph")),
        ("auto", "anatomy-aware", None, ("acmt", "anatomy-aware")),
        ("none", "anatomy-aware", None, ("none", "anatomy-aware")),
        ("auto", "self-similarity", TRAINED, ("none", "self-similarity")),
        ("acmt", "self-similarity", None, ("acmt", "self-similarity")),
        ("acmt", "surfaces", None, ("none", "surfaces")),
    ],
)
def test_auto_stands_for_what_the_rule_says(translation, registration, weights, expected):
    assert methods_for(translation, registration, weights) == expected
