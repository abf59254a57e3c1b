"""How the panels look: Qt's Fusion style in the colours and font of Slicer on Linux, and pictures of them."""

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter, QPalette
from PySide6.QtWidgets import QApplication, QWidget


def apply(application: QApplication) -> None:
    """Style the application."""
    application.setStyle("Fusion")
    application.setFont(QFont("DejaVu Sans", 9))
    palette = QPalette()
    role = QPalette.ColorRole
    for which, color in {
        role.Window: "#f4f4f4",
        role.Base: "#ffffff",
        role.AlternateBase: "#f7f7f7",
        role.Button: "#ececec",
        role.Text: "#1c1c1c",
        role.WindowText: "#1c1c1c",
        role.ButtonText: "#1c1c1c",
        role.Mid: "#b8b8b8",
        role.Highlight: "#3d7fc1",
        role.HighlightedText: "#ffffff",
        role.PlaceholderText: "#8a8a8a",
        role.Link: "#1f62a8",
    }.items():
        palette.setColor(which, QColor(color))
    for which in (role.Text, role.WindowText, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, which, QColor("#9d9d9d"))
    application.setPalette(palette)


def grab(panel: Any, width: int) -> QImage:
    """A widget as an image of this width, as high as its contents need."""
    widget: QWidget = panel._qt if hasattr(panel, "_qt") else panel
    widget.show()
    widget.ensurePolished()
    for _ in range(2):
        height = widget.heightForWidth(width) if widget.hasHeightForWidth() else -1
        widget.resize(width, max(height, widget.minimumSizeHint().height(), widget.sizeHint().height()))
        QApplication.sendPostedEvents()
        QApplication.processEvents()
    return widget.grab().toImage()


def beside(left: QImage, right: QImage) -> QImage:
    """Two images side by side on the window's background."""
    image = QImage(left.width() + right.width(), max(left.height(), right.height()), QImage.Format.Format_RGB32)
    image.fill(QApplication.palette().color(QPalette.ColorRole.Window))
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.drawImage(0, 0, left)
    painter.drawImage(left.width(), 0, right)
    painter.setPen(Qt.GlobalColor.lightGray)
    painter.drawLine(left.width() - 1, 0, left.width() - 1, image.height())
    painter.end()
    return image
