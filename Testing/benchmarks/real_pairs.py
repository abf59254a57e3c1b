"""DSC and TRE of `register` on real MR-TRUS pairs, before and after, one line a pair.

    python Testing/benchmarks/real_pairs.py [--pairs 10] [--preset fast] [--data FOLDER]

The start: the centres of the two glands' bounding boxes coincide (written into the MR's origin). Labels serve for that
and for scoring only. The folder holds moving_images, moving_labels, fixed_images and fixed_labels; it is taken from
MR2US_DATA/mr-trus-pairs where it is not given.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from MR2USProLib.commands.register import run
from MR2USProLib.evaluation.labels import read_labels
from MR2USProLib.volume import Volume


def box_centre_mm(gland: Volume) -> np.ndarray:
    index = np.argwhere(gland.array)[:, ::-1]
    return gland.grid.to_world((index.min(axis=0) + index.max(axis=0)) / 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--translation", default="acmt")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MR2US_DATA", "data")) / "mr-trus-pairs")
    parser.add_argument("--out", type=Path, help="keep every result here")
    options = parser.parse_args()

    names = sorted(path.name for path in (options.data / "moving_images").glob("*.nii.gz"))
    # Spread over the set, so that few pairs still are many patients.
    chosen = [names[i] for i in np.linspace(0, len(names) - 1, options.pairs).round().astype(int)]
    rows = []
    print("pair      DSC before  after   TRE before  after mm   HE/voxel  folding  seconds", flush=True)
    for name in chosen:
        with tempfile.TemporaryDirectory() as scratch:
            labels = [read_labels(options.data / f"{side}_labels" / name) for side in ("moving", "fixed")]
            shift = box_centre_mm(labels[1].gland) - box_centre_mm(labels[0].gland)
            for kind in ("moving_images", "moving_labels"):
                move_origin(options.data / kind / name, Path(scratch) / f"{kind}.nii.gz", shift)
            start = time.perf_counter()
            scored, _ = run(
                out=(options.out or Path(scratch)) / name.split(".")[0],
                moving=Path(scratch) / "moving_images.nii.gz",
                fixed=options.data / "fixed_images" / name,
                moving_label=Path(scratch) / "moving_labels.nii.gz",
                fixed_label=options.data / "fixed_labels" / name,
                translation=options.translation,
                preset=options.preset,
            )
            seconds = time.perf_counter() - start
        before, after, field = (scored.metrics[key] for key in ("before", "after", "deformation"))
        rows.append([before["dsc"], after["dsc"], before["tre_mm"], after["tre_mm"]])
        print(
            f"{name.split('.')[0]:<10}{before['dsc']:8.3f}{after['dsc']:9.3f}{before['tre_mm']:12.2f}"
            f"{after['tre_mm']:7.2f}{field['harmonic_energy']['voxel_mean']:14.4f}"
            f"{field['folding']['fraction']:9.4f}{seconds:9.0f}",
            flush=True,
        )
    mean = np.nanmean(rows, axis=0)
    print(f"{'mean':<10}{mean[0]:8.3f}{mean[1]:9.3f}{mean[2]:12.2f}{mean[3]:7.2f}")


def move_origin(source: Path, target: Path, shift_mm: np.ndarray) -> None:
    """Copy an image (3-D, or 4-D labels) with its origin moved."""
    import SimpleITK as sitk

    image = sitk.ReadImage(str(source))
    origin = np.asarray(image.GetOrigin())
    origin[:3] += shift_mm
    image.SetOrigin(origin.tolist())
    sitk.WriteImage(image, str(target))


if __name__ == "__main__":
    main()
