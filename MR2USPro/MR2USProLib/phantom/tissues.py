"""The tissues of the simulated pelvis, and how T2 MR and ultrasound see each of them."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Tissue(IntEnum):
    """What a point of the pelvis consists of."""

    FAT = 0
    MUSCLE = 1
    CORTEX = 2
    MARROW = 3
    VESSEL = 4
    BULB = 5
    PERIPHERAL_ZONE = 6
    TRANSITION_ZONE = 7
    STROMA = 8
    URETHRAL_RIM = 9
    URETHRA = 10
    VERUMONTANUM = 11
    LESION = 12
    CALCIFICATION = 13
    URINE = 14
    BLADDER_WALL = 15
    SEMINAL_VESICLE = 16
    RECTAL_WALL = 17
    RECTUM = 18


LABELS = {1: "prostate", 2: "verumontanum", 3: "lesion 1", 4: "lesion 2", 5: "lesion 3"}
"""Values of the label volumes. Those from 2 on are enclosed by the prostate, which is therefore all that is not 0."""

ZONES = {
    1: "peripheral zone",
    2: "transition zone",
    3: "anterior fibromuscular stroma",
    4: "urethra",
    5: "lesion",
    6: "calcification",
    7: "bladder",
    8: "seminal vesicles",
    9: "rectal wall",
}
"""Values of the zone volumes: what the prostate (1 to 6) and its neighbourhood consist of."""

# T2 signal (arbitrary units) and its texture; echo level (dB, peripheral zone = 0) and its texture (dB);
# attenuation beyond what the time gain compensation makes good (dB/mm, one way and back together).
_LOOKS: dict[Tissue, tuple[float, float, float, float, float]] = {
    Tissue.FAT: (520, 60, 4.0, 3.2, 0.05),
    Tissue.MUSCLE: (130, 26, -8.5, 3.0, 0.06),
    Tissue.CORTEX: (45, 5, 2.0, 1.0, 6.0),
    Tissue.MARROW: (430, 40, -25.0, 1.0, 4.0),
    Tissue.VESSEL: (560, 130, -13.0, 4.0, 0.0),
    Tissue.BULB: (700, 50, -3.0, 2.0, 0.05),
    Tissue.PERIPHERAL_ZONE: (730, 65, 0.0, 1.0, 0.03),
    Tissue.TRANSITION_ZONE: (330, 85, -7.0, 2.6, 0.06),
    Tissue.STROMA: (150, 25, -11.0, 2.0, 0.12),
    Tissue.URETHRAL_RIM: (260, 30, -1.5, 1.5, 0.05),
    Tissue.URETHRA: (520, 40, -14.0, 1.0, 0.0),
    Tissue.VERUMONTANUM: (680, 20, -5.0, 1.0, 0.05),
    Tissue.LESION: (200, 28, -9.0, 1.5, 0.06),
    Tissue.CALCIFICATION: (40, 5, 19.0, 0.5, 5.0),
    Tissue.URINE: (960, 8, -45.0, 0.0, -0.06),
    Tissue.BLADDER_WALL: (170, 20, -3.0, 1.5, 0.04),
    Tissue.SEMINAL_VESICLE: (720, 60, -14.0, 2.0, -0.01),
    Tissue.RECTAL_WALL: (260, 25, -6.0, 1.5, 0.05),
    Tissue.RECTUM: (60, 20, -24.0, 2.0, 0.0),
}


def _column(index: int) -> NDArray[np.float32]:
    return np.array([_LOOKS[tissue][index] for tissue in Tissue], dtype=np.float32)


T2_SIGNAL = _column(0)
T2_TEXTURE = _column(1)
ECHO_DB = _column(2)
ECHO_TEXTURE_DB = _column(3)
ATTENUATION_DB_PER_MM = _column(4)


_ZONE_OF_TISSUE = {
    Tissue.PERIPHERAL_ZONE: 1,
    Tissue.TRANSITION_ZONE: 2,
    Tissue.STROMA: 3,
    Tissue.URETHRAL_RIM: 4,
    Tissue.URETHRA: 4,
    Tissue.VERUMONTANUM: 4,
    Tissue.LESION: 5,
    Tissue.CALCIFICATION: 6,
    Tissue.URINE: 7,
    Tissue.BLADDER_WALL: 7,
    Tissue.SEMINAL_VESICLE: 8,
    Tissue.RECTAL_WALL: 9,
}
ZONE_OF = np.array([_ZONE_OF_TISSUE.get(tissue, 0) for tissue in Tissue], dtype=np.uint8)
"""Zone of each tissue, by tissue number. Outside the gland the urethra is none."""
