"""Seconds and peak memory of a training step of each registration, in one process, on pictures of noise.

    python Testing/benchmarks/registration_step.py [--shapes 32x64x64 64x128x128] [--steps 3] [--batch N] [--device cpu]
                                                   [--methods anatomy-aware fsdiffreg diffusemorph voxelmorph]

The shape is depth x height x width. Each method is measured at the batch that it is fitted with here, and the rivals
also at the batch of 1 that they were published with. Seconds are the median of the steps after the first; on a CPU they
are those of the processor, one thread at work. Memory is what the process (on CUDA: the allocator) held at most during
the training beyond what it held before; on a CPU, set MALLOC_MMAP_THRESHOLD_=1048576, so that it gives back what it
freed.
"""

import argparse
import ctypes
import gc
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from MR2USProLib.progress import Progress
from MR2USProLib.registration.method import Method
from MR2USProLib.registration.methods import METHODS
from MR2USProLib.registration.pair import Images
from MR2USProLib.registration.training import train


def measured(method: Method, images: Images, steps: int, device: str) -> tuple[float, float]:
    """Seconds of a step, and GiB."""
    method = type(method)(replace(method.settings, iterations=steps + 1))
    times: list[float] = []

    def tick(stage: str, fraction: float, message: str) -> None:
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        times.append(time.perf_counter() if device.startswith("cuda") else time.process_time())

    before = start_counting(device)
    train(method, [images], device=device, progress=Progress(tick))
    durations = np.diff(times)
    return float(np.median(durations[1:] if steps else durations)), (peak(device) - before) / 2**30


def start_counting(device: str) -> int:
    """Bytes in use; from here on the peak is counted."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    if not sys.platform.startswith("linux"):
        return 0
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return status("VmRSS")


def peak(device: str) -> int:
    """The most bytes in use since then; 0 where the system does not say."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated()
    return status("VmHWM") if sys.platform.startswith("linux") else 0


def status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", default=["32x64x64", "64x128x128"])
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--steps", type=int, default=3, help="after the first; 0 measures the first")
    parser.add_argument("--batch", type=int, help="of every method; see above if not given")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("shape        method          batch    weights   s/step      GiB", flush=True)
    for text in options.shapes:
        shape = tuple(int(n) for n in text.split("x"))
        moving, fixed = np.random.default_rng(0).uniform(-1, 1, (2, *shape)).astype(np.float32)
        images = Images(moving, fixed, np.ones(shape, bool), (1.0, 1.0, 1.0))
        for name in options.methods:
            method = METHODS[name]()
            weights = sum(weight.numel() for weight in method.network().parameters())
            own = [method.settings.batch] if name == "anatomy-aware" else [1, method.settings.batch]
            for batch in [options.batch] if options.batch else own:
                tried = type(method)(replace(method.settings, batch=batch))
                seconds, held = measured(tried, images, options.steps, options.device)
                print(f"{text:<13}{name:<16}{batch:5d}{weights:11,d}{seconds:9.2f}{held:9.2f}", flush=True)


if __name__ == "__main__":
    main()
