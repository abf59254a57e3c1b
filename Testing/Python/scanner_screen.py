"""What a scanner's screen shows: two views of one sweep, and everything that is no view."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Screen:
    """How the views lie on the screen, and what else is there.

    ``sagittal_at``, ``transverse_at``: x and y of their top-left pixels; ``zoom`` of both views.
    ``extras``: any of text, ruler, logo, frame (a line around each view), clock, trace (a curve that runs along the
    lower edge), depth (a number inside the sagittal view).
    """

    sagittal_at: tuple[int, int]
    transverse_at: tuple[int, int]
    size: tuple[int, int] = (1024, 768)
    background: int = 0
    zoom: float = 1.0
    extras: frozenset[str] = field(default_factory=lambda: frozenset({"text", "ruler", "logo", "frame"}))

    def boxes(self, sagittal: NDArray[np.uint8], transverse: NDArray[np.uint8]) -> tuple[Box, Box]:
        """Where the two views show something: their pictures without rows and columns that are always black."""
        found = []
        for stack, (x, y) in ((sagittal, self.sagittal_at), (transverse, self.transverse_at)):
            lit = self._scaled(stack.max(axis=0)) > 8
            columns, rows = np.flatnonzero(lit.any(axis=0)), np.flatnonzero(lit.any(axis=1))
            width, height = int(columns[-1] + 1 - columns[0]), int(rows[-1] + 1 - rows[0])
            found.append((x + int(columns[0]), y + int(rows[0]), width, height))
        return found[0], found[1]

    def pictures(self, sagittal: NDArray[np.uint8], transverse: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 (frame, row, column)."""
        return np.stack([self._picture(t, sagittal[t], transverse[t]) for t in range(len(sagittal))])

    def _scaled(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        way = cv2.INTER_AREA if self.zoom < 1 else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(picture, None, fx=self.zoom, fy=self.zoom, interpolation=way), np.uint8)

    def _picture(self, t: int, sagittal: NDArray[np.uint8], transverse: NDArray[np.uint8]) -> NDArray[np.uint8]:
        width, height = self.size
        screen = np.full((height, width), self.background, np.uint8)
        for view, (x, y) in ((sagittal, self.sagittal_at), (transverse, self.transverse_at)):
            shown = self._scaled(view)
            rows, columns = shown.shape
            part = screen[y : y + rows, x : x + columns]
            np.copyto(part, shown, where=shown > 0)
            if "frame" in self.extras:
                cv2.rectangle(screen, (x - 4, y - 4), (x + columns + 3, y + rows + 3), 120, 1)
            if "ruler" in self.extras:
                screen[y : y + rows : 20, x + columns + 6 : x + columns + 12] = 200
                screen[y + rows // 2 : y + rows // 2 + 2, x + columns + 6 : x + columns + 16] = 200
        if "text" in self.extras:
            for line, words in enumerate(("PROSTATE  TRUS", "9.0 MHz  G 52%", "SIM 0001")):
                _write(screen, words, (12, 20 + 18 * line))
        if "logo" in self.extras:
            cv2.circle(screen, (width - 40, 40), 26, 180, cv2.FILLED)
            cv2.circle(screen, (width - 40, 40), 14, 60, cv2.FILLED)
        if "clock" in self.extras:
            _write(screen, f"10:41:{(7 * t) % 60:02d}  {t:04d}", (width - 190, height - 14))
        if "trace" in self.extras:
            x = np.arange(width)
            curve = height - 40 + (14 * np.sin(x / 9 + 2.3 * t)).astype(int)
            for thick in range(6):
                screen[curve + thick, x] = 210
        if "depth" in self.extras:
            x, y = self.sagittal_at
            _write(screen, "D 57", (x + 8, y + 200))
        return screen


def _write(screen: NDArray[np.uint8], words: str, at: tuple[int, int]) -> None:
    cv2.putText(screen, words, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 220, 1, cv2.LINE_AA)


def write_video(path: Path, pictures: NDArray[np.uint8], code: str = "mp4v") -> Path:
    """A video of grey pictures, compressed as OpenCV does it by itself."""
    height, width = pictures.shape[1:]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), 25, (width, height))
    assert writer.isOpened()
    for picture in pictures:
        writer.write(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path
