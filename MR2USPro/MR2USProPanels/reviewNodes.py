"""Two volumes of the scene in one volume node: checkerboard and curtain."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import slicer
from numpy.typing import NDArray
from slicer.i18n import tr as _

from MR2USProLib.errors import InputError

from . import reviewPictures
from .pairing import checkVolumes

Axis = Literal["right-left", "front-back", "feet-head"]


class ReviewNodes:
    """Makes the pictures, and keeps what it needs of both volumes, because sliders ask for them again and again."""

    def __init__(self) -> None:
        self._gray: dict[str, tuple[tuple[Any, ...], NDArray[np.uint8]]] = {}

    def cleanup(self) -> None:
        """Let go of the volumes."""
        self._gray.clear()

    def checkerboard(self, mr: Any, trus: Any, tileMm: float = 10.0, node: Any = None) -> Any:
        """A volume node with tiles of two volumes in turn, in the gray levels in which they are shown.

        Args:
            mr: volume node on the grid of ``trus``.
            trus: volume node.
            tileMm: edge of a tile.
            node: to be overwritten.

        Raises:
            InputError: the volumes lie on different grids.
        """
        first, second = self._both(mr, trus)
        node, out = _pictureOn(trus, _("Checkerboard"), node)
        reviewPictures.checkerboard(first, second, trus.GetSpacing(), tileMm, out)
        slicer.util.arrayFromVolumeModified(node)
        return node

    def curtain(self, mr: Any, trus: Any, share: float = 0.5, axis: Axis = "right-left", node: Any = None) -> Any:
        """A volume node that shows one volume up to a plane, and the other beyond it.

        Args:
            mr: volume node on the grid of ``trus``, shown from the right (front, feet) of the patient on.
            trus: volume node.
            share: where the plane lies, in [0, 1] along the axis.
            axis: the direction along which the plane is moved.
            node: to be overwritten.

        Raises:
            InputError: the volumes lie on different grids.
        """
        first, second = self._both(mr, trus)
        node, out = _pictureOn(trus, _("Curtain"), node)
        array, forward = _arrayAxis(trus, axis)
        if forward:
            reviewPictures.curtain(first, second, share, array, out)
        else:
            reviewPictures.curtain(second, first, 1 - share, array, out)
        slicer.util.arrayFromVolumeModified(node)
        return node

    def asShown(self, volume: Any) -> NDArray[np.uint8]:
        """A volume (k, j, i) in the gray levels in which it is shown."""
        display = volume.GetDisplayNode()
        key = (volume.GetImageData().GetMTime(), display.GetWindow(), display.GetLevel())
        kept = self._gray.get(volume.GetID())
        if kept is None or kept[0] != key:
            low = display.GetLevel() - display.GetWindow() / 2
            gray = reviewPictures.windowed(slicer.util.arrayFromVolume(volume), low, low + display.GetWindow())
            kept = self._gray[volume.GetID()] = (key, gray)
        return kept[1]

    def _both(self, mr: Any, trus: Any) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        from MR2USProLib import mrml

        checkVolumes(mr, trus)
        if mrml.grid_of(mr) != mrml.grid_of(trus):
            raise InputError(
                _("{mr} does not lie on the grid of {trus}: choose a result of the registration.").format(
                    mr=mr.GetName(), trus=trus.GetName()
                )
            )
        return self.asShown(mr), self.asShown(trus)


def _pictureOn(trus: Any, name: str, node: Any) -> tuple[Any, NDArray[np.uint8]]:
    """A volume node of bytes on the grid of the TRUS, and its array."""
    from MR2USProLib import mrml
    from MR2USProLib.volume import Volume

    grid = mrml.grid_of(trus)
    there = node is not None and slicer.mrmlScene.IsNodePresent(node) and node.GetImageData() is not None
    if not there or mrml.grid_of(node) != grid or node.GetImageData().GetScalarType() != 3:
        node = mrml.volume_node(Volume(np.zeros(grid.shape, np.uint8), grid), name, node)
        node.GetDisplayNode().SetAutoWindowLevel(False)
        node.GetDisplayNode().SetWindowLevel(255, 127.5)
    node.SetName(name)
    return node, slicer.util.arrayFromVolume(node)


def _arrayAxis(volume: Any, axis: Axis) -> tuple[int, bool]:
    """Array axis of a volume that runs nearest to a direction, and whether it runs towards its second end."""
    from MR2USProLib import mrml

    world = ("right-left", "front-back", "feet-head").index(axis)
    # As seen in the views: from the patient's right, front and feet to the left, back and head, which is LPS.
    along = mrml.grid_of(volume).direction[world]
    index = int(np.argmax(np.abs(along)))
    return 2 - index, bool(along[index] > 0)
