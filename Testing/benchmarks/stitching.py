"""Position errors of stitching, side by side with the paper's matchers and with sequential phase correlation.

    python Testing/benchmarks/stitching.py [--seeds 5] [--levels easy medium hard] [--ways layers orb sift phase]
                                           [--sweeps simulated real] [--frames 120] [--data FOLDER]

Sweeps are simulated exams, and sweeps cut from frames of a real B-mode at known sub-pixel places, with decorrelation
noise, bands fixed to the probe, gain drift, a pause, a reversal and 5 % black or blurred frames. The folder holds
SpinePhantomFreehand.igs.mha; it is taken from MR2US_DATA/plus where it is not given, and without it only simulated
exams are stitched.

A line has the mean of all seeds: absolute error of the frames that are `ok` along the probe after taking off its median
(a sweep has no origin), its 95th percentile, the error between the first and the last five frames in per cent of the
sweep, the share of ok frames that are off by more than 2 pixels, the share of good frames that are ok, spoilt frames
that are ok, the estimated over the true mean error, and frames per second of processor time, all of `stitch` included.
"""

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is there: its own threads would count as processor time

import time
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter

from MR2USProLib.errors import InputError
from MR2USProLib.phantom.exam import simulate
from MR2USProLib.reconstruction.mosaic import stitch

BAD = 0.05
LEVELS = {
    "easy": {"noise": 0.1, "band": 30.0, "wobble": 0.3, "gain": 2.0},
    "medium": {"noise": 0.3, "band": 60.0, "wobble": 0.8, "gain": 6.0},
    "hard": {"noise": 0.5, "band": 110.0, "wobble": 1.5, "gain": 12.0},
}
"""Noise as a share of the picture's deviation; bands, wobble and gain in grey levels and pixels."""


def real_sweep(pictures: np.ndarray, level: str, seed: int, n: int) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Frames (n, 290, 320), their true places along the columns, and which of them are spoilt.

    Two frames of the B-mode, faded into each other, are the sheet that the probe passes at about 2 to 3 pixels a frame.
    """
    how, rng = LEVELS[level], np.random.default_rng(seed)
    left, right = (pictures[k, 20:320, 190:630].astype(np.float64) for k in rng.permutation(len(pictures))[:2])
    fade = np.linspace(0, 1, 60)
    sheet = np.hstack([left[:, :-60], left[:, -60:] * (1 - fade) + right[:, :60] * fade, right[:, 60:]])
    t = np.arange(n)
    pace = 1 + 0.6 * np.sin(t / 9 + 6 * rng.random()) + 0.4 * np.sin(t / 23)
    if level != "easy":
        pace[n // 2 : n // 2 + 10] = 0
    if level == "hard":
        pace[n // 3 : n // 3 + 12] *= -0.6
    x = np.cumsum(pace)
    x = 4 + (x - x.min()) * min((sheet.shape[1] - 328) / np.ptp(x), 2.5)
    y = 2 + how["wobble"] * np.sin(t / 17)
    rows, columns = np.mgrid[0:290, 0:320].astype(float)
    bands = np.zeros((290, 320))
    for top in rng.integers(0, 280, 6):
        bands[top : top + rng.integers(2, 8)] += how["band"] * rng.random()
    bands += 3 * how["band"] * gaussian_filter(rng.normal(size=bands.shape), (2, 12)) * np.exp(-rows / 60)
    bad = sorted(int(k) for k in 1 + rng.permutation(n - 1)[: round(BAD * n)])
    smooth, frames = spline_filter(sheet, order=3), np.empty((n, 290, 320), np.uint8)
    for k in t:
        frame = map_coordinates(smooth, [rows + y[k], columns + x[k]], order=3, mode="nearest", prefilter=False)
        noise = gaussian_filter(rng.normal(size=frame.shape), 1.2)
        frame += how["noise"] * frame.std() / noise.std() * noise + bands + how["gain"] * np.sin(k / 31)
        if k in bad:
            frame = gaussian_filter(frame, 8) if rng.random() < 0.5 else 0 * frame + 10 * rng.random()
        frames[k] = np.clip(frame, 0, 255)
    return frames, x, bad


def phase(frames: np.ndarray) -> np.ndarray:
    """Places by correlating the phases of every frame and the one before."""
    window, x = cv2.createHanningWindow(frames.shape[:0:-1], cv2.CV_32F), [0.0]
    for before, after in pairwise(frames):
        (dx, _), _ = cv2.phaseCorrelate(before.astype(np.float32), after.astype(np.float32), window)
        x.append(x[-1] - dx)
    return np.array(x)


def scored(frames: np.ndarray, truth: np.ndarray, bad: list[int], way: str) -> list[float] | None:
    """The figures of a line, or None where the sweep was refused."""
    start, estimate = time.process_time(), np.nan
    if way == "phase":
        x, ok = phase(frames), np.ones(len(frames), bool)
    else:
        try:
            found = stitch(frames, matcher=way)  # type: ignore[arg-type]
        except InputError as error:
            print("refused:", error, flush=True)
            return None
        x, ok = found.offsets_px[:, 0], found.usable
        estimate = found.position_error_px
    seconds = time.process_time() - start
    error = (x - truth)[ok]
    error -= np.median(error)
    size, drift = np.abs(error), abs(error[-5:].mean() - error[:5].mean())
    good = np.ones(len(frames), bool)
    good[bad] = False
    return [
        size.mean(), np.percentile(size, 95), size.max(), 100 * drift / np.ptp(truth), 100 * np.mean(size > 2),
        100 * ok[good].mean(), ok[bad].sum(), estimate / size.mean(), len(frames) / seconds,
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--levels", nargs="+", default=list(LEVELS))
    parser.add_argument("--ways", nargs="+", default=["layers", "orb", "sift", "phase"])
    parser.add_argument("--sweeps", nargs="+", default=["simulated", "real"])
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MR2US_DATA", "data")) / "plus")
    parser.add_argument("--each", action="store_true", help="a line for every seed, too")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    pictures, path = None, options.data / "SpinePhantomFreehand.igs.mha"
    if path.exists():
        import SimpleITK as sitk

        pictures = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    print("sweep     level  way      mean px  p95 px  max px  drift %  >2px %  good ok %  bad ok  est/true  frames/s")
    for kind in options.sweeps:
        for level in options.levels:
            lines: dict[str, list[list[float]]] = {way: [] for way in options.ways}
            for seed in range(options.seeds):
                if kind == "simulated":
                    exam = simulate(frames=options.frames, level=level, seed=seed)
                    truth = np.asarray(exam.positions_mm) / exam.sagittal_spacing_mm[1]
                    sweep = exam.sagittal, truth, sorted(exam.spoilt)
                elif pictures is not None:
                    sweep = real_sweep(pictures, level, seed, options.frames)
                else:
                    continue
                for way in options.ways:
                    line = scored(*sweep, way)
                    if line is not None:
                        lines[way].append(line)
                        if options.each:
                            print(f"  seed {seed}", show(kind, level, way, [line]), flush=True)
            for way, found in lines.items():
                if found:
                    print(show(kind, level, way, found), flush=True)


def show(kind: str, level: str, way: str, lines: list[list[float]]) -> str:
    mean = np.mean(lines, axis=0)
    return (
        f"{kind:9s} {level:6s} {way:7s} {mean[0]:8.3f} {mean[1]:7.3f} {np.max(lines, axis=0)[2]:7.2f} {mean[3]:8.3f} "
        f"{mean[4]:7.2f} {mean[5]:10.1f} {mean[6]:7.1f} {mean[7]:9.2f} {mean[8]:9.0f}"
    )


if __name__ == "__main__":
    main()
