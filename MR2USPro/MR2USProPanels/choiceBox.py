"""A combo box that shows words and stores a key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class ChoiceBox:
    """Binds a combo box to a field of the case whose values are keys of the program, such as ``dip``."""

    def __init__(self, combo: Any, texts: Mapping[str, str], onChosen: Callable[[str], None]) -> None:
        """Fill the combo box.

        Args:
            combo: the widget.
            texts: what is shown for each key.
            onChosen: called with the key when the user chooses another entry.
        """
        self._combo = combo
        self._onChosen = onChosen
        self._keys: list[str] = []
        self.setTexts(texts)
        combo.connect("currentIndexChanged(int)", self._changed)

    def setTexts(self, texts: Mapping[str, str]) -> None:
        """Offer other entries."""
        if list(texts) == self._keys:
            return
        shown = self._keys[self._combo.currentIndex] if self._keys else ""
        self._keys = list(texts)
        wasBlocked = self._combo.blockSignals(True)
        self._combo.clear()
        for text in texts.values():
            self._combo.addItem(text)
        self._combo.currentIndex = self._keys.index(shown) if shown in self._keys else 0
        self._combo.blockSignals(wasBlocked)

    def show(self, key: str) -> None:
        """Show the entry of a key, without telling anybody."""
        wasBlocked = self._combo.blockSignals(True)
        self._combo.currentIndex = self._keys.index(key)
        self._combo.blockSignals(wasBlocked)

    def _changed(self, index: int) -> None:
        if 0 <= index < len(self._keys):
            self._onChosen(self._keys[index])
