"""A cohort.csv for `train` and `evaluate` from the public MR-TRUS pairs.

    python Testing/benchmarks/real_cohort.py --out cohort.csv [--data FOLDER] [--every 1]

The folder holds moving_images, moving_labels, fixed_images, fixed_labels and patients.csv; it is taken from
MR2US_DATA/mr-trus-pairs where it is not given. `--every 7` takes every seventh pair, for a quick look.
"""

import argparse
import csv
import os
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MR2US_DATA", "data")) / "mr-trus-pairs")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    folder = options.data.resolve()
    with (folder / "patients.csv").open(newline="", encoding="utf-8") as stream:
        pairs = list(csv.DictReader(stream))[:: options.every]
    with options.out.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["case", "mr", "us", "mr_label", "us_label", "patient"])
        for pair in pairs:
            sides = ("moving_images", "fixed_images", "moving_labels", "fixed_labels")
            files = [str(folder / side / f"{pair['pair']}.nii.gz") for side in sides]
            table.writerow([pair["pair"], *files, pair["patient"]])
    print(f"{len(pairs)} pairs of {len({pair['patient'] for pair in pairs})} patients in {options.out}")


if __name__ == "__main__":
    main()
