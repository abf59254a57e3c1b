"""Seconds and memory of a step of every translation, and of a fit to one pair, each in a process of its own.

    python Testing/benchmarks/translation_step.py [--device cpu] [--steps 10] [--size small|paper] [--fit]

A step is one iteration: a turn of every network of the method, on four neighbouring slices of each modality. With
--fit, a pair of 64x64x32 voxels is fitted and translated with ACMT's own schedule.
"""

import argparse
import resource
import subprocess
import sys
import time

import numpy as np

METHODS = ("acmt", "pmt", "unsb")
SHAPES = ((32, 64, 64), (64, 128, 128))


def pair(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smooth tissue, darker in the US where it is brighter in the MR, and speckle."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(0)
    tissue = gaussian_filter(noise.normal(size=shape), (1, 4, 4))
    tissue /= tissue.std()
    return tissue, np.exp(0.3 * noise.normal(size=shape) - 0.5 * tissue), np.ones(shape, bool)


def measure(method: str, shape: tuple[int, ...], size: str, steps: int, device: str, mixed: bool) -> None:
    import torch

    from MR2USProLib.translation.cohort import Example, prepare
    from MR2USProLib.translation.method import PUBLISHED, SMALL
    from MR2USProLib.translation.training import SETTINGS, Run, Schedule, method_of

    torch.manual_seed(0)
    if size == "small":
        torch.set_num_threads(1)  # as the trainer does
    networks = PUBLISHED if size == "paper" else SMALL
    own = method_of(method, SETTINGS[method](networks)).to(device)
    run = Run(own, [prepare(Example(*pair(shape)), device)], Schedule(steps + 2, mixed=mixed), 0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(2):  # the first ones choose kernels
        run.iterate()
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        run.iterate()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    if device.startswith("cuda"):
        memory = f"{torch.cuda.max_memory_allocated() / 2**20:8.0f}"
    else:
        memory = f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} ({before / 1024:.0f} before)"
    weights = sum(p.numel() for p in own.parameters()) / 1e6
    print(
        f"{method:<6}{size:<7}{'x'.join(map(str, shape[::-1])):<12}{weights:8.2f} M{seconds / steps:9.3f} s"
        f"{cpu / steps:9.3f} s CPU{memory} MiB",
        flush=True,
    )


def fit() -> None:
    from MR2USProLib.translation.training import translate_pair

    start, cpu = time.perf_counter(), time.process_time()
    found = translate_pair(*pair(SHAPES[0]))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(f"fit of acmt to 64x64x32: {seconds:.0f} s, {cpu:.0f} s CPU; collapsed: {found.health.collapsed}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--size", choices=("small", "paper"), default="small")
    parser.add_argument("--mixed", action="store_true")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)  # a method and the index of a shape
    options = parser.parse_args()
    if options.one:
        shape = SHAPES[int(options.one[1])]
        measure(options.one[0], shape, options.size, options.steps, options.device, options.mixed)
        return
    if options.fit:
        fit()
        return
    for n in range(len(SHAPES)):
        for method in METHODS:  # the peak of memory is a process's
            subprocess.run([sys.executable, *sys.argv, "--one", method, str(n)], check=True)


if __name__ == "__main__":
    main()
