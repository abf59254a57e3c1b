"""PSNR and SSIM of each way of filling on measured planes that were hidden, one line an exam.

    python Testing/benchmarks/filling.py [--seeds 2] [--levels medium hard] [--dip]

The frames of simulated exams are placed at their true positions on 96 x 96 x 96 voxels, and every second measured plane
is hidden with all its frames. PCHIP is SciPy's, along k. Scored are the hidden voxels inside the fan: PSNR in dB for a
range of 255, SSIM in windows of 7 x 7 pixels. Seconds are those of the processor.
"""

import argparse
import time
from functools import partial

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import uniform_filter

from MR2USProLib.phantom.exam import SimulatedExam, simulate
from MR2USProLib.reconstruction.filling import fill_linear, planes_to_hide, psnr_db
from MR2USProLib.reconstruction.kriging import fill_kriging
from MR2USProLib.reconstruction.placement import Placement, place

VOXELS = 96


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--levels", nargs="+", default=["medium", "hard"])
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--dip", action="store_true", help="the deep image prior too: 40 s more an exam")
    options = parser.parse_args()

    ways = {"linear": linear, "pchip": pchip, "kriging": fill_kriging, "kriging, no places": krige_middles}
    if options.dip:
        ways["dip"] = dip
    print(f"{'level':<8}{'seed':<6}" + "".join(f"{name:>26}" for name in ways), flush=True)
    for level in options.levels:
        scores = []
        for seed in range(options.seeds):
            placement = placed(simulate(frames=options.frames, level=level, seed=seed))
            line = [score(placement, way) for way in ways.values()]
            scores.append(line)
            print(f"{level:<8}{seed:<6}" + "".join(told(*figures) for figures in line), flush=True)
        print(f"{level:<8}{'mean':<6}" + "".join(told(*figures) for figures in np.mean(scores, axis=0)), flush=True)


def told(psnr: float, ssim: float, seconds: float) -> str:
    return f"{psnr:12.2f} {ssim:6.3f} {seconds:5.1f}s"


def placed(exam: SimulatedExam) -> Placement:
    usable = ~np.isin(np.arange(len(exam.positions_mm)), exam.spoilt)
    first, last = exam.positions_mm[usable].min(), exam.positions_mm[usable].max()
    row_mm, column_mm = exam.transverse_spacing_mm
    _, rows, columns = exam.transverse.shape
    size = np.array([columns * column_mm, rows * row_mm, last - first])
    edges = [-size[0] / 2, row_mm / 2 - size[1], -last, size[0] / 2, row_mm / 2, -first + 1e-6]
    return place(
        exam.transverse,
        exam.transverse_spacing_mm,
        exam.positions_mm,
        usable=usable,
        depths_mm=-exam.wobble_mm,
        voxel_mm=size / VOXELS,
        extent_mm=edges,
    )


def score(placement: Placement, way) -> tuple[float, float, float]:
    """PSNR, SSIM and seconds."""
    truth, measured = placement.volume.array, placement.measured
    hidden = np.flatnonzero(measured.any(axis=(1, 2)))[1:-1:2]
    seen, scored = measured.copy(), np.zeros_like(measured)
    seen[hidden], scored[hidden] = False, measured[hidden]
    begun = time.process_time()
    filled = way(np.where(seen, truth, np.float32(0)), seen, placement.fan, placement.at)
    seconds = time.process_time() - begun
    return psnr_db(filled, truth, scored), ssim(filled, truth, scored), seconds


def ssim(one: np.ndarray, other: np.ndarray, where: np.ndarray) -> float:
    """Wang et al. (2004), in the plane, over voxels whose whole window is scored."""
    mean = partial(uniform_filter, size=(1, 7, 7))
    one, other = one.astype(np.float64), other.astype(np.float64)
    a, b = mean(one), mean(other)
    variances, covariance = mean(one**2) - a**2 + mean(other**2) - b**2, mean(one * other) - a * b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    index = (2 * a * b + c1) * (2 * covariance + c2) / ((a**2 + b**2 + c1) * (variances + c2))
    return float(index[mean(where.astype(np.float64)) > 0.999].mean())


def linear(values, seen, fan, at):
    return fill_linear(values, seen, fan)


def pchip(values, seen, fan, at):
    known = np.flatnonzero(seen.any(axis=(1, 2)))
    whole = fill_linear(values, seen, fan)
    return PchipInterpolator(known, whole[known], axis=0)(np.arange(len(values))).astype(np.float32)


def krige_middles(values, seen, fan, at):
    return fill_kriging(values, seen, fan)


def dip(values, seen, fan, at):
    from MR2USProLib.reconstruction.deep_image_prior import fill_dip

    inside = np.broadcast_to(fan, seen.shape)
    return fill_dip(values, seen, inside, held_out=planes_to_hide(seen, 0)).values


if __name__ == "__main__":
    main()
