"""Stand-ins for the widgets of CTK that panels use: buttons, boxes and paths. Sliders are in ``ctkSliders``."""

from typing import Any

from PySide6.QtCore import QDir, QFileInfo, QRect, QSettings, QSize, Qt
from PySide6.QtGui import QPainter, QPalette
from PySide6.QtWidgets import (
    QAbstractButton,
    QCheckBox,
    QColorDialog,
    QComboBox,
    QGroupBox,
    QHBoxLayout,
    QMessageBox,
    QPushButton,
    QStyle,
    QStyleOptionButton,
    QStyleOptionGroupBox,
    QStylePainter,
    QToolButton,
    QWidget,
)

from . import dialogs
from .declared import Declared


class _Folding:
    """What folds: hides its child widgets while it is collapsed, but not those that were hidden by hand."""

    def _fold(self: Any, collapsed: bool, height: int) -> None:
        if collapsed:
            self._folded = [w for w in self.children() if isinstance(w, QWidget) and not w.isHidden()]
        for widget in getattr(self, "_folded", []):
            widget.setVisible(not collapsed)
        self.setMaximumHeight(height if collapsed else 16777215)
        self.updateGeometry()
        self.update()


class ctkCollapsibleButton(_Folding, QAbstractButton, metaclass=Declared):
    """A section of a panel with a header to fold it."""

    _defaults = {"contentsFrameShape": 1, "contentsFrameShadow": 16, "contentsLineWidth": 1}

    def __init__(self, *values: Any) -> None:
        text = values[0] if values and isinstance(values[0], str) else ""
        super().__init__(values[-1] if values and isinstance(values[-1], QWidget) else None)
        self.setText(text)
        self.setCheckable(True)
        self.setChecked(True)
        self.setContentsMargins(0, self._header(), 0, 0)
        self.toggled.connect(lambda checked: self._write_collapsed(not checked))

    def _header(self) -> int:
        return self.fontMetrics().height() + 8

    def _read_collapsed(self) -> bool:
        return self.__dict__.get("_collapsed", False)

    def _write_collapsed(self, collapsed: bool) -> None:
        if collapsed == self._read_collapsed():
            return
        self._collapsed = collapsed
        self.setChecked(not collapsed)
        self._fold(collapsed, self._header() + self.collapsedHeight)
        self.contentsCollapsed.emit(collapsed)

    def hitButton(self, position: Any) -> bool:
        return position.y() < self._header()

    def sizeHint(self) -> QSize:
        layout = self.layout()
        width = self.fontMetrics().horizontalAdvance(self.text()) + 40
        if layout is None or self._read_collapsed():
            return QSize(width, self._header())
        return layout.totalSizeHint().expandedTo(QSize(width, self._header()))

    def minimumSizeHint(self) -> QSize:
        layout = self.layout()
        if layout is None or self._read_collapsed():
            return QSize(60, self._header())
        return layout.totalMinimumSize()

    def paintEvent(self, _event: Any) -> None:
        painter = QPainter(self)
        header = QRect(0, 0, self.width(), self._header())
        palette = self.palette()
        if not self._read_collapsed() and self.contentsFrameShape:
            painter.setPen(palette.color(QPalette.ColorRole.Mid))
            painter.drawRect(self.rect().adjusted(0, header.height() // 2, -1, -1))
        option = QStyleOptionButton()
        option.initFrom(self)
        option.rect = header
        option.state |= QStyle.StateFlag.State_Raised if self._read_collapsed() else QStyle.StateFlag.State_On
        self.style().drawPrimitive(QStyle.PrimitiveElement.PE_PanelButtonCommand, option, painter, self)
        arrow = QStyleOptionButton()
        arrow.initFrom(self)
        arrow.rect = QRect(8, (header.height() - 10) // 2, 10, 10)
        element = (
            QStyle.PrimitiveElement.PE_IndicatorArrowRight
            if self._read_collapsed()
            else (QStyle.PrimitiveElement.PE_IndicatorArrowDown)
        )
        self.style().drawPrimitive(element, arrow, painter, self)
        painter.setPen(palette.color(QPalette.ColorRole.ButtonText))
        painter.drawText(header.adjusted(26, 0, -6, 0), Qt.AlignmentFlag.AlignVCenter, self.text())


class ctkCollapsibleGroupBox(_Folding, QGroupBox, metaclass=Declared):
    """A group box that its title folds."""

    _defaults = {"collapsedHeight": 14}

    def __init__(self, *values: Any) -> None:
        super().__init__(*values)
        self.setCheckable(True)
        self.toggled.connect(self._toggled)

    def _toggled(self, opened: bool) -> None:
        self._fold(not opened, self.fontMetrics().height() + 4)

    def _read_collapsed(self) -> bool:
        return not self.isChecked()

    def _write_collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    def paintEvent(self, _event: Any) -> None:
        painter, option = QStylePainter(self), QStyleOptionGroupBox()
        self.initStyleOption(option)
        box = self.style().subControlRect(
            QStyle.ComplexControl.CC_GroupBox, option, QStyle.SubControl.SC_GroupBoxCheckBox, self
        )
        option.subControls &= ~QStyle.SubControl.SC_GroupBoxCheckBox
        option.text = f"     {self.title()}"  # room for the arrow
        if not self.isChecked():
            option.subControls &= ~QStyle.SubControl.SC_GroupBoxFrame
        painter.drawComplexControl(QStyle.ComplexControl.CC_GroupBox, option)
        arrow = QStyleOptionButton()
        arrow.initFrom(self)
        arrow.rect = box.adjusted(2, 2, -2, -2)
        element = QStyle.PrimitiveElement.PE_IndicatorArrowDown
        if not self.isChecked():
            element = QStyle.PrimitiveElement.PE_IndicatorArrowRight
        painter.drawPrimitive(element, arrow)


class ctkPathLineEdit(QWidget, metaclass=Declared):
    """A line for a file or folder, with a button to choose one."""

    _constants = {
        name: getattr(QDir.Filter, name).value
        for name in ("Dirs", "Files", "Drives", "Readable", "Writable", "Executable", "Hidden", "NoDot", "NoDotDot")
    }
    _defaults = {
        "showBrowseButton": True,
        "showHistoryButton": True,
        "filters": QDir.Filter.Files.value,
        "minimumContentsLength": 17,
    }

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._combo = QComboBox(self)
        self._combo.setEditable(True)
        self._combo.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self._combo.setSizePolicy(self._combo.sizePolicy().Policy.Ignored, self._combo.sizePolicy().Policy.Fixed)
        self._combo.setMinimumContentsLength(10)
        self._browse = QToolButton(self)
        self._browse.setText("...")
        self._browse.clicked.connect(lambda: self.browse())
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        layout.addWidget(self._browse)
        self._combo.editTextChanged.connect(self._edited)
        self._valid = False

    def _edited(self, path: str) -> None:
        valid = QFileInfo(path).exists()
        if valid != self._valid:
            self._valid = valid
            self.validInputChanged.emit(valid)
        self.currentPathChanged.emit(path)

    def _read_currentPath(self) -> str:
        return self._combo.currentText()

    def _write_currentPath(self, path: str) -> None:
        self._combo.setEditText(path)

    def _on_showBrowseButton(self, shown: bool) -> None:
        self._browse.setVisible(shown)

    def setCurrentPath(self, path: str) -> None:
        self._write_currentPath(path)

    def comboBox(self) -> QComboBox:
        return self._combo

    def browse(self) -> None:
        wantsFile = self.filters & self._constants["Files"]
        path = dialogs.openFile(None) if wantsFile else dialogs.openFolder(None)
        if path:
            self._write_currentPath(path)

    def addCurrentPathToHistory(self) -> None:
        path = self._read_currentPath()
        if not path or not self.settingKey:
            return
        settings = QSettings()
        settings.setValue(self.settingKey, [path, *[p for p in self._history() if p != path]][:9])
        if self._combo.findText(path) < 0:
            self._combo.insertItem(0, path)
            self._combo.setEditText(path)

    def retrieveHistory(self) -> None:
        path = self._read_currentPath()
        self._combo.blockSignals(True)
        self._combo.clear()
        self._combo.addItems(self._history())
        self._combo.setEditText(path)
        self._combo.blockSignals(False)

    def _history(self) -> list[str]:
        found = QSettings().value(self.settingKey, [])
        return [found] if isinstance(found, str) else list(found or [])

    def _on_settingKey(self, _key: str) -> None:
        self.retrieveHistory()
        if self._combo.count() and not self._read_currentPath():
            self._write_currentPath(self._combo.itemText(0))


class ctkDirectoryButton(QWidget, metaclass=Declared):
    """A button that shows a folder and lets one choose another."""

    def __init__(self, *values: Any) -> None:
        super().__init__(values[-1] if values and isinstance(values[-1], QWidget) else None)
        self._button = QPushButton(self)
        self._button.setIcon(self.style().standardIcon(QStyle.StandardPixmap.SP_DirIcon))
        self._button.setStyleSheet("text-align: left; padding: 3px 6px")
        self._button.clicked.connect(lambda: self.browse())
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._button)
        self._folder = QDir(values[0] if values and isinstance(values[0], str) else ".")
        self._show()

    def _show(self) -> None:
        self._button.setText(self.text or self._folder.path())

    def _read_directory(self) -> str:
        return self._folder.path()

    def _write_directory(self, path: str) -> None:
        changed = QDir(path) != self._folder
        self._folder = QDir(path)
        self._show()
        if changed:
            self.directoryChanged.emit(path)
        self.directorySelected.emit(path)

    def _on_text(self, _text: str) -> None:
        self._show()

    def browse(self) -> None:
        path = dialogs.openFolder(None)
        if path:
            self._write_directory(path)


class ctkComboBox(QComboBox, metaclass=Declared):
    """A combo box with a text for nothing chosen."""

    def _on_defaultText(self, text: str) -> None:
        self.setPlaceholderText(text)

    def _read_currentUserDataAsString(self) -> str:
        return str(self.currentData() or "")

    def _write_currentUserDataAsString(self, text: str) -> None:
        self.setCurrentIndex(next((i for i in range(self.count()) if str(self.itemData(i)) == text), -1))

    def setCurrentUserDataAsString(self, text: str) -> None:
        self._write_currentUserDataAsString(text)


class ctkCheckBox(QCheckBox, metaclass=Declared):
    """A check box with an icon of its own for the indicator."""


class ctkPushButton(QPushButton, metaclass=Declared):
    """A push button whose text can be aligned."""


class ctkCheckablePushButton(ctkPushButton, metaclass=Declared):
    """A push button with a check box inside."""

    _defaults = {"checkBoxUserCheckable": True}

    def _read_checkState(self) -> Qt.CheckState:
        return Qt.CheckState(self.__dict__.get("_checkState", 0))

    def _write_checkState(self, state: Any) -> None:
        state = int(getattr(state, "value", state))
        if state != self.__dict__.get("_checkState", 0):
            self._checkState = state
            if self.checkBoxControlsButton:
                self.setEnabled(state != 0)
            if self.checkBoxControlsButtonToggleState:
                self.setCheckable(state != 0)
                self.setChecked(state != 0)
            self.checkBoxToggled.emit(state != 0)
            self.update()

    def paintEvent(self, event: Any) -> None:
        super().paintEvent(event)
        option = QStyleOptionButton()
        option.initFrom(self)
        size = self.style().pixelMetric(QStyle.PixelMetric.PM_IndicatorWidth)
        option.rect = QRect(6, (self.height() - size) // 2, size, size)
        checked = self.__dict__.get("_checkState", 0)
        option.state |= QStyle.StateFlag.State_On if checked else QStyle.StateFlag.State_Off
        QStylePainter(self).drawPrimitive(QStyle.PrimitiveElement.PE_IndicatorCheckBox, option)


class ctkColorPickerButton(QPushButton, metaclass=Declared):
    """A button that shows a color."""

    _defaults = {"displayColorName": True}

    def _on_color(self, color: Any) -> None:
        self._show()
        self.colorChanged.emit(color)

    def setColor(self, color: Any) -> None:
        self.color = color

    def setDisplayColorName(self, shown: bool) -> None:
        self.displayColorName = shown

    def changeColor(self) -> None:
        color = QColorDialog.getColor(self.color, self)
        if color.isValid():
            self.color = color

    def _show(self) -> None:
        self.setText(self.color.name() if self.color and self.displayColorName else "")
        self.setStyleSheet(f"color: {self.color.name()}" if self.color else "")


class ctkMessageBox(QMessageBox, metaclass=Declared):
    """A message box that can be told not to come again."""

    def setDontShowAgain(self, hidden: bool) -> None:
        self.dontShowAgain = hidden
