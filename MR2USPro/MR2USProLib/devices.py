"""Where the networks run, and on how many threads."""

from __future__ import annotations

import os
from typing import Literal

from .errors import InputError

Device = Literal["auto", "cpu", "cuda"]
NO_CUDA = "PyTorch finds no CUDA device"


def share_cores() -> None:
    """Have threads that wait for others sleep instead of spinning; to be called before anything imports torch.

    Spinning gains a few percent where nothing else runs. Where something does, such as 3D Slicer itself or a second
    job, threads spin on the cores that those they wait for need, and a fit takes ten times as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def prepare(device: Device, threads: int | None, *, network: bool = True) -> str:
    """Choose the device, limit the threads, and return what torch calls the device.

    Args:
        device: ``auto`` takes a CUDA device that really computes, else the CPU.
        threads: at most this many CPU threads; None leaves it to the libraries.
        network: whether one will run; without one it is the CPU, as looking further imports torch, which takes seconds.

    Raises:
        InputError: CUDA was asked for and does not work here.
    """
    limit_threads(threads)
    if not network:
        return "cpu"
    works, trouble = working_device(device)
    if trouble and device == "cuda":
        raise InputError(f"{trouble}: use --device cpu, or install a PyTorch that fits the graphics card.")
    return works


def working_device(device: Device) -> tuple[str, str]:
    """The device that will be used, and what is wrong with the one that was meant; empty where nothing is.

    ``auto`` on a machine without a CUDA device has nothing wrong with it; with one that does not compute, it has.
    """
    if device == "cpu":
        return "cpu", ""
    trouble = _cuda_trouble()
    if trouble is None:
        return "cuda", ""
    return "cpu", trouble if device == "cuda" or trouble != NO_CUDA else ""


def limit_threads(threads: int | None) -> None:
    """Hold every library that computes to at most this many CPU threads; None leaves it to them."""
    if threads is None:
        return
    import cv2
    import SimpleITK as sitk
    import torch

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)


def _cuda_trouble() -> str | None:
    """Why CUDA cannot be used, or None: a card that is listed may still lack kernels for its architecture."""
    import torch

    if not torch.cuda.is_available():
        return NO_CUDA
    try:
        torch.ones(2, device="cuda").sum().item()
    except RuntimeError as error:
        return f"The CUDA device does not compute ({str(error).splitlines()[0]})"
    return None
