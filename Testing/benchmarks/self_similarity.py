"""What the registration by self-similarity makes of simulated pairs, one line a pair.

    python3 MR2USPro simulate --cases 12 --out FOLDER
    python Testing/benchmarks/self_similarity.py FOLDER/cohort.csv [--preset fast] [--every 1]

The start is that of `evaluate`: hurriedly drawn boxes laid centre on centre. Errors are distances from the truth in the
gland and at the landmarks, mm; what is not trusted is counted as it is left, at the start.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from MR2USProLib.cohorts.cohort import read_cohort
from MR2USProLib.cohorts.scoring import figures
from MR2USProLib.cohorts.start import started
from MR2USProLib.pipeline import pictures
from MR2USProLib.registration.self_similarity import register_by_self_similarity
from MR2USProLib.registration.transforms import composite
from MR2USProLib.volume import Volume

FIGURES = ("displacement_error_mm", "tre_mm", "dsc", "folding")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    print("case        error  TRE mm  DSC   -> error  TRE mm  DSC   folding  followed  agree  apart mm  CPU s")
    rows = []
    for case in read_cohort(options.cohort)[:: options.every]:
        start = started(case, preset=options.preset)
        grid, began = start.pair.us.grid, time.process_time()
        found = register_by_self_similarity(pictures(start.pair))
        seconds, seen = time.process_time() - began, found.structure
        assert seen is not None  # it was looked at
        displacement = Volume(grid.voxels_to_mm(found.displacement), grid)
        before, after = (
            [figures(start, transform)[name] or 0.0 for name in FIGURES]
            for transform in (start.pair.initial, composite(start.pair.initial, displacement, start.us.grid))
        )
        rows.append([*before[:3], *after, seconds])
        print(
            f"{case.name:<10}{before[0]:7.2f}{before[1]:8.2f}{before[2]:6.3f}   {after[0]:7.2f}{after[1]:8.2f}"
            f"{after[2]:6.3f}{after[3]:9.4f}{seen.followed!s:>10}{seen.agreement:7.2f}{seen.disagreement_mm:10.2f}"
            f"{seconds:7.1f}",
            flush=True,
        )
    print("mean:", np.round(np.mean(rows, axis=0), 3).tolist())


if __name__ == "__main__":
    main()
