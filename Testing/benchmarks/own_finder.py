"""The finder that comes with the program, learned anew.

    python Testing/benchmarks/own_finder.py --cohort cohort.csv --out finder.safetensors

The cohort is that of the public pairs, as real_cohort.py lists them. It takes ten minutes of one core, and the same
cohort gives the same file on the same machine.
"""

import argparse
from pathlib import Path

from MR2USProLib.cohorts.cohort import read_cohort
from MR2USProLib.evaluation.labels import read_labels, shared
from MR2USProLib.registration.boxes import drawn_boxes
from MR2USProLib.registration.finder_training import BoxedPair, learn_finder, to_part
from MR2USProLib.volume import Volume
from MR2USProLib.weights import Weights, write_weights

SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohort", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    cases = read_cohort(options.cohort)
    pairs = []
    for case in cases:
        assert case.mr_label is not None
        assert case.us_label is not None
        moving, fixed = shared(read_labels(case.mr_label), read_labels(case.us_label))
        boxes = drawn_boxes(moving.gland, fixed.gland, case.name, SEED)
        pairs.append(BoxedPair.of(Volume.read(case.mr), Volume.read(case.us), *boxes))
    finder = learn_finder(pairs, seed=SEED)
    about = {
        "program": "MR2USPro",
        "pairs": len(cases),
        "patients": len({case.patient for case in cases}),
        "data": "79 public MR-TRUS pairs (DeepReg demonstration, YipengHu/example-data)",
        "supervision": "boxes around the glands, drawn 10 mm too large with 2 mm of jitter",
        "seed": SEED,
    }
    write_weights(options.out, Weights({"finder": to_part(finder)}, about))
    print(f"{len(cases)} pairs, tilt {finder.tilt_deg:.1f} degrees, {options.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
