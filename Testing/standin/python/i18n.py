"""slicer.i18n where Slicer's own is not at hand: texts stay as they are written."""


def translate(context: str, text: str) -> str:
    """The text in the application's language, looked up under a context."""
    if not isinstance(context, str) or not isinstance(text, str):
        raise TypeError("translate takes a context and a text")
    return text


def tr(text: str) -> str:
    """The text in the application's language, looked up under the calling file's name."""
    return translate("", text)
