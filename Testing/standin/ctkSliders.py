"""Stand-ins for CTK's number widgets: spin box, slider with spin box, range of two."""

from typing import Any

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPalette
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QSizePolicy, QSlider, QWidget

from .declared import Declared

STEPS = 10000


class ctkDoubleSpinBox(QWidget, metaclass=Declared):
    """A spin box for numbers."""

    _constants = {"SetIfDifferent": 0, "SetAlways": 1}

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._box = QDoubleSpinBox(self)
        self._box.setMaximum(99.99)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._box.valueChanged.connect(self._changed)
        self._box.editingFinished.connect(self.editingFinished)

    def _changed(self, value: float) -> None:
        self.valueChanged.emit(value)
        self.valueChanged_QString.emit(self._box.text())

    def _read_value(self) -> float:
        return self._box.value()

    def _write_value(self, value: float) -> None:
        self._box.setValue(value)

    def _read_minimum(self) -> float:
        return self._box.minimum()

    def _write_minimum(self, value: float) -> None:
        self._box.setMinimum(value)

    def _read_maximum(self) -> float:
        return self._box.maximum()

    def _write_maximum(self, value: float) -> None:
        self._box.setMaximum(value)

    def _read_singleStep(self) -> float:
        return self._box.singleStep()

    def _write_singleStep(self, value: float) -> None:
        self._box.setSingleStep(value)

    def _read_decimals(self) -> int:
        return self._box.decimals()

    def _write_decimals(self, value: int) -> None:
        self._box.setDecimals(value)
        self.decimalsChanged.emit(value)

    def _read_cleanText(self) -> str:
        return self._box.cleanText()

    def _on_prefix(self, text: str) -> None:
        self._box.setPrefix(text)

    def _on_suffix(self, text: str) -> None:
        self._box.setSuffix(text)

    def _on_readOnly(self, fixed: bool) -> None:
        self._box.setReadOnly(fixed)

    def setValue(self, value: float) -> None:
        self._box.setValue(value)

    def setValueIfDifferent(self, value: float) -> None:
        self._box.setValue(value)

    def setDecimals(self, value: int) -> None:
        self._write_decimals(value)

    def setReadOnly(self, fixed: bool) -> None:
        self.readOnly = fixed

    def stepUp(self) -> None:
        self._box.stepUp()

    def stepDown(self) -> None:
        self._box.stepDown()


class ctkSliderWidget(QWidget, metaclass=Declared):
    """A slider and a spin box for one number."""

    _defaults = {
        "decimals": 2,
        "singleStep": 1.0,
        "pageStep": 10.0,
        "maximum": 99.0,
        "tracking": True,
        "spinBoxVisible": True,
    }

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._slider = QSlider(Qt.Orientation.Horizontal, self)
        self._box = QDoubleSpinBox(self)
        self._slider.setRange(0, STEPS)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._box)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._now = 0.0
        self._show()
        self._slider.valueChanged.connect(self._dragged)
        self._box.valueChanged.connect(lambda value: self._write_value(value))

    def _dragged(self, position: int) -> None:
        value = self.minimum + position / STEPS * (self.maximum - self.minimum)
        step = self.singleStep or 1e-6
        self._write_value(self.minimum + round((value - self.minimum) / step) * step)

    def _show(self) -> None:
        for part in (self._slider, self._box):
            part.blockSignals(True)
        self._box.setDecimals(self.decimals)
        self._box.setRange(self.minimum, self.maximum)
        self._box.setSingleStep(self.singleStep)
        self._box.setValue(self._now)
        span = self.maximum - self.minimum
        self._slider.setValue(round((self._now - self.minimum) / span * STEPS) if span else 0)
        for part in (self._slider, self._box):
            part.blockSignals(False)

    def _read_value(self) -> float:
        return self._now

    def _write_value(self, value: float) -> None:
        value = min(max(float(value), self.minimum), self.maximum)
        if value != self._now:
            self._now = value
            self._show()
            self.valueIsChanging.emit(value)
            self.valueChanged.emit(value)
        else:
            self._show()

    def _limits(self, _value: float) -> None:
        self._write_value(self._now)

    _on_minimum = _on_maximum = _on_singleStep = _limits

    def _on_decimals(self, decimals: int) -> None:
        self._show()
        self.decimalsChanged.emit(decimals)

    def _on_prefix(self, text: str) -> None:
        self._box.setPrefix(text)

    def _on_suffix(self, text: str) -> None:
        self._box.setSuffix(text)

    def _on_spinBoxVisible(self, shown: bool) -> None:
        self._box.setVisible(shown)

    def setValue(self, value: float) -> None:
        self._write_value(value)

    def setDecimals(self, decimals: int) -> None:
        self.decimals = decimals

    def setSpinBoxVisible(self, shown: bool) -> None:
        self.spinBoxVisible = shown

    def reset(self) -> None:
        self._write_value(0.0)


class ctkDoubleSlider(QWidget, metaclass=Declared):
    """A slider for numbers."""

    _defaults = {"singleStep": 1.0, "pageStep": 10.0, "maximum": 99.0, "tracking": True}

    def __init__(self, *values: Any) -> None:
        super().__init__(values[-1] if values and isinstance(values[-1], QWidget) else None)
        self._slider = QSlider(Qt.Orientation.Horizontal, self)
        self._slider.setRange(0, STEPS)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        self._now = 0.0
        self._slider.valueChanged.connect(
            lambda position: self._write_value(self.minimum + position / STEPS * (self.maximum - self.minimum))
        )
        self._slider.sliderPressed.connect(self.sliderPressed)
        self._slider.sliderReleased.connect(self.sliderReleased)

    def _read_value(self) -> float:
        return self._now

    def _write_value(self, value: float) -> None:
        value = min(max(float(value), self.minimum), self.maximum)
        self._slider.blockSignals(True)
        span = self.maximum - self.minimum
        self._slider.setValue(round((value - self.minimum) / span * STEPS) if span else 0)
        self._slider.blockSignals(False)
        if value != self._now:
            self._now = value
            self.valueChanged.emit(value)

    def _limits(self, _value: float) -> None:
        self._write_value(self._now)
        self.rangeChanged.emit(self.minimum, self.maximum)

    _on_minimum = _on_maximum = _limits

    def setValue(self, value: float) -> None:
        self._write_value(value)


class _RangeBar(QWidget):
    """A groove with two handles."""

    def __init__(self, owner: Any) -> None:
        super().__init__(owner)
        self._owner, self._held = owner, None
        self.setMinimumSize(60, 20)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(120, 20)

    def _position(self, value: float) -> int:
        span = self._owner.maximum - self._owner.minimum
        return 6 + round((value - self._owner.minimum) / span * (self.width() - 12)) if span else 6

    def paintEvent(self, _event: Any) -> None:
        painter, palette, middle = QPainter(self), self.palette(), self.height() // 2
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        low, high = (self._position(v) for v in (self._owner.minimumValue, self._owner.maximumValue))
        painter.setPen(palette.color(QPalette.ColorRole.Mid))
        painter.setBrush(palette.color(QPalette.ColorRole.Button))
        painter.drawRoundedRect(QRect(2, middle - 2, self.width() - 4, 5), 2, 2)
        painter.setBrush(palette.color(QPalette.ColorRole.Highlight))
        painter.drawRect(QRect(QPoint(low, middle - 2), QPoint(high, middle + 2)))
        painter.setBrush(palette.color(QPalette.ColorRole.Button).lighter(105))
        for position in (low, high):
            painter.drawRoundedRect(QRect(position - 5, middle - 8, 10, 16), 2, 2)

    def mousePressEvent(self, event: Any) -> None:
        x = event.position().x()
        low, high = (self._position(v) for v in (self._owner.minimumValue, self._owner.maximumValue))
        self._held = "minimumValue" if abs(x - low) <= abs(x - high) else "maximumValue"

    def mouseMoveEvent(self, event: Any) -> None:
        span = self._owner.maximum - self._owner.minimum
        value = self._owner.minimum + (event.position().x() - 6) / max(self.width() - 12, 1) * span
        setattr(self._owner, self._held, value)


class ctkDoubleRangeSlider(QWidget, metaclass=Declared):
    """A bar with two handles for a range of numbers."""

    _defaults = {"singleStep": 1.0, "maximum": 99.0, "tracking": True}

    def __init__(self, *values: Any) -> None:
        super().__init__(values[-1] if values and isinstance(values[-1], QWidget) else None)
        self._range = (0.0, 99.0)
        self._bar = _RangeBar(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._bar)

    def _read_minimumValue(self) -> float:
        return self._range[0]

    def _write_minimumValue(self, value: float) -> None:
        self.setMinimumValue(value)

    def _read_maximumValue(self) -> float:
        return self._range[1]

    def _write_maximumValue(self, value: float) -> None:
        self.setMaximumValue(value)

    def setMinimumValue(self, value: float) -> None:
        self.setValues(value, max(value, self._range[1]))

    def setMaximumValue(self, value: float) -> None:
        self.setValues(min(value, self._range[0]), value)

    def _show(self) -> None:
        self._bar.update()

    def setValues(self, low: float, high: float) -> None:
        low, high = (min(max(float(v), self.minimum), self.maximum) for v in (low, high))
        before, self._range = self._range, (low, high)
        self._show()
        if low != before[0]:
            self.minimumValueChanged.emit(low)
        if high != before[1]:
            self.maximumValueChanged.emit(high)
        if before != self._range:
            self.valuesChanged.emit(low, high)

    def setRange(self, minimum: float, maximum: float) -> None:
        self.maximum = max(self.minimum, maximum)
        self.minimum = minimum
        self.maximum = maximum

    def _limits(self, _value: float) -> None:
        self.setValues(*self._range)
        self.rangeChanged.emit(self.minimum, self.maximum)

    _on_minimum = _on_maximum = _limits


class ctkRangeWidget(QWidget, metaclass=Declared):
    """Two spin boxes and a bar for a range of numbers."""

    _defaults = {"decimals": 2, "singleStep": 1.0, "maximum": 99.0, "tracking": True}

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._range = (0.0, 99.0)
        self._low, self._bar, self._high = QDoubleSpinBox(self), _RangeBar(self), QDoubleSpinBox(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self._low, self._bar, self._high):
            layout.addWidget(part)
        self._show()
        self._low.valueChanged.connect(lambda value: self.setMinimumValue(value))
        self._high.valueChanged.connect(lambda value: self.setMaximumValue(value))

    def _show(self) -> None:
        for box, value in zip((self._low, self._high), self._range, strict=True):
            box.blockSignals(True)
            box.setDecimals(self.decimals)
            box.setRange(self.minimum, self.maximum)
            box.setSingleStep(self.singleStep)
            box.setPrefix(self.prefix)
            box.setSuffix(self.suffix)
            box.setValue(value)
            box.blockSignals(False)
        self._bar.update()

    def _read_minimumValue(self) -> float:
        return self._range[0]

    def _write_minimumValue(self, value: float) -> None:
        self.setMinimumValue(value)

    def _read_maximumValue(self) -> float:
        return self._range[1]

    def _write_maximumValue(self, value: float) -> None:
        self.setMaximumValue(value)

    def setMinimumValue(self, value: float) -> None:
        self.setValues(value, max(value, self._range[1]))

    def setMaximumValue(self, value: float) -> None:
        self.setValues(min(value, self._range[0]), value)

    def setValues(self, low: float, high: float) -> None:
        low, high = (min(max(float(v), self.minimum), self.maximum) for v in (low, high))
        before, self._range = self._range, (low, high)
        self._show()
        if low != before[0]:
            self.minimumValueChanged.emit(low)
        if high != before[1]:
            self.maximumValueChanged.emit(high)
        if before != self._range:
            self.valuesChanged.emit(low, high)

    def setRange(self, minimum: float, maximum: float) -> None:
        self.maximum = max(self.minimum, maximum)
        self.minimum = minimum
        self.maximum = maximum

    def _limits(self, _value: float) -> None:
        self.setValues(*self._range)
        self.rangeChanged.emit(self.minimum, self.maximum)

    _on_minimum = _on_maximum = _limits

    def _look(self, _value: Any) -> None:
        self._show()

    _on_decimals = _on_singleStep = _on_prefix = _on_suffix = _look

    def setDecimals(self, decimals: int) -> None:
        self.decimals = decimals

    def reset(self) -> None:
        self.setValues(self.minimum, self.maximum)
