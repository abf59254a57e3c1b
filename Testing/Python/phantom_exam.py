"""One simulated exam of few frames, made once for all tests that only need some exam."""

from __future__ import annotations

from functools import cache

from MR2USProLib.phantom.exam import SimulatedExam, simulate


@cache
def phantom_exam() -> SimulatedExam:
    """24 frames of medium difficulty; nobody may change its arrays."""
    exam = simulate(frames=24, level="medium", seed=1)
    exam.sagittal.flags.writeable = exam.transverse.flags.writeable = False
    return exam
