"""Slicer's Qt layer for tests: real MRML and real Qt widgets, with a strict facade between them and the panels.

``app = Standin.start()`` makes ``import qt, ctk, slicer`` work as inside Slicer; ``app.openModule("MR2USRegister")``
gives that module's widget. See ``facade`` for how strict it is, and ``declared`` for the widgets of CTK and Slicer.
"""

from .standin import Standin

__all__ = ["Standin"]
