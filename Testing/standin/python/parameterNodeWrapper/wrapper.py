"""The decorator that turns a class of typed names into access to a parameter node."""

import dataclasses
import typing
from collections.abc import Callable
from typing import Any

import slicer
import vtk

from .annotations import Default, Validator, first, split
from .connectors import GuiConnector, createGuiConnector
from .storage import Storage

SlicerParameterNamePropertyName = "SlicerParameterName"


@dataclasses.dataclass
class Parameter:
    """One typed name."""

    basename: str
    unalteredType: Any
    storage: Storage
    default: Default
    validators: list[Validator]

    def write(self, node: Any, value: Any) -> None:
        """Check a value and keep it."""
        self.storage.check(value)
        for validator in self.validators:
            validator.validate(value)
        self.storage.write(node, self.basename, value)

    def read(self, node: Any) -> Any:
        """The value kept."""
        if not self.storage.isIn(node, self.basename):
            self.write(node, self.default.value)
        return self.storage.read(node, self.basename)


class Access:
    """What every wrapped class can do."""

    allParameters: dict[str, Parameter]
    _is_parameter_node_wrapper = True

    def __init__(self, parameterNode: Any) -> None:
        self.parameterNode = parameterNode
        self._guis: dict[int, dict[str, GuiConnector]] = {}
        self._tags: dict[int, int] = {}
        self._showing = False
        for parameter in self.allParameters.values():
            parameter.read(parameterNode)

    def _parameter(self, name: str) -> Parameter:
        if name not in self.allParameters:
            raise ValueError(
                f"Cannot find a param with the given name: {name}; there are {', '.join(self.allParameters)}"
            )
        return self.allParameters[name]

    def default(self, name: str) -> Default:
        """A parameter's default."""
        return self._parameter(name).default

    @classmethod
    def dataType(cls, name: str) -> Any:
        """A parameter's type, as it is annotated."""
        if name not in cls.allParameters:
            raise ValueError(f"Cannot find a param with the given name: {name}")
        return cls.allParameters[name].unalteredType

    def getValue(self, name: str) -> Any:
        """A parameter's value."""
        return self._parameter(name).read(self.parameterNode)

    def setValue(self, name: str, value: Any) -> None:
        """Set a parameter."""
        self._parameter(name).write(self.parameterNode, value)

    def connectGui(self, gui: Any) -> int:
        """Tie widgets to the parameters that their SlicerParameterName names. Gives a tag for disconnectGui."""
        import qt

        isWidget = getattr(gui, "isWidgetType", lambda: False)()
        widgets = gui.findChildren(qt.QWidget) if isWidget else vars(gui).values()
        named = {widget.property(SlicerParameterNamePropertyName): widget for widget in widgets}
        return self.connectParametersToGui({name: widget for name, widget in named.items() if name})

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        """Tie parameters to widgets. Gives a tag for disconnectGui."""
        connectors = {
            name: widget if isinstance(widget, GuiConnector) else createGuiConnector(widget, self.dataType(name))
            for name, widget in mapping.items()
        }
        tag = max(self._guis, default=-1) + 1
        self._guis[tag] = connectors
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.onChanged(self._taker(name, connector))
        self._tags[tag] = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: self._show())
        return tag

    def _taker(self, name: str, connector: GuiConnector) -> Callable[[], None]:
        def take() -> None:
            if not self._showing:
                with slicer.util.NodeModify(self):
                    self.setValue(name, connector.read())

        return take

    def _show(self) -> None:
        if self._showing:
            return
        self._showing = True
        try:
            with slicer.util.NodeModify(self):
                for connectors in self._guis.values():
                    for name, connector in connectors.items():
                        connector.write(self.getValue(name))
        finally:
            self._showing = False

    def disconnectGui(self, tag: int | None) -> None:
        """Untie the widgets of a tag."""
        for connector in self._guis.pop(tag, {}).values():  # type: ignore[arg-type]
            connector.onChanged(None)
        if tag in self._tags:
            self.RemoveObserver(self._tags.pop(tag))

    def StartModify(self) -> int:
        """Hold back the node's events."""
        return self.parameterNode.StartModify()

    def EndModify(self, wasModifying: int) -> None:
        """Let the node's events go."""
        self.parameterNode.EndModify(wasModifying)

    def AddObserver(self, event: Any, callback: Callable, priority: float = 0.0) -> int:
        """Observe the node."""
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        """Stop observing the node."""
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        """Tell the node's observers."""
        self.parameterNode.Modified()


def isParameterNodeWrapper(classOrObject: Any) -> bool:
    """Whether this is a wrapped class or an object of one."""
    return getattr(classOrObject, "_is_parameter_node_wrapper", False)


def parameterNodeWrapper(classtype: type | None = None) -> Any:
    """Class decorator: each annotated name becomes a parameter of that type."""

    def wrap(cls: type) -> type:
        parameters = {}
        namespace: dict[str, Any] = {}
        for name, kind in typing.get_type_hints(cls, include_extras=True).items():
            annotations = split(kind)[1]
            storage = Storage(kind)
            default = Default(getattr(cls, name)) if hasattr(cls, name) else first(annotations, Default)
            validators = [item for item in annotations if isinstance(item, Validator)]
            parameters[name] = Parameter(name, kind, storage, default or Default(generator=storage.default), validators)
            namespace[name] = property(
                lambda self, n=name: self.getValue(n), lambda self, value, n=name: self.setValue(n, value)
            )
            if hasattr(Access, name):
                raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
        own = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")}
        return type(cls.__name__, (Access,), {**own, **namespace, "allParameters": parameters})

    return wrap if classtype is None else wrap(classtype)
