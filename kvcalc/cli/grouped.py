"""Commands that take classes of options; typer sees one option per annotated attribute."""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, Self, dataclass_transform, get_origin


@dataclass_transform()
class Options:
    """Options that commands share: annotated attributes with their defaults, of bases first.

    A dataclass of them would be as short, but writes and compiles its methods at every start.
    """

    def __init__(self, *values: Any, **given: Any) -> None:
        given |= zip(self.annotations(), values, strict=False)
        for name in self.annotations():
            setattr(self, name, given.get(name, getattr(type(self), name)))

    @classmethod
    def annotations(cls) -> dict[str, Any]:
        """The options' names and types, in their order."""
        found: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            found |= inspect.get_annotations(base)
        return {name: kind for name, kind in found.items() if get_origin(kind) is not ClassVar}

    def values(self) -> dict[str, Any]:
        """What each option was given, or its default."""
        return {name: getattr(self, name) for name in self.annotations()}

    def replaced(self, **given: Any) -> Self:
        """The same options, but for those that are given."""
        return type(self)(**self.values() | given)


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take its shared options as classes.

    A parameter whose type is a class of `Options` stands for these, in their order.
    """
    groups: dict[str, type[Options]] = {}
    parameters = []
    for name, own in inspect.signature(command).parameters.items():
        kind = own.annotation
        if not (isinstance(kind, type) and issubclass(kind, Options)):
            parameters.append(own)
            continue
        groups[name] = kind
        parameters += [
            own.replace(name=option, annotation=annotation, default=getattr(kind, option))
            for option, annotation in kind.annotations().items()
        ]

    def run(**given: Any) -> None:
        for name, kind in groups.items():
            given[name] = kind(**{option: given.pop(option) for option in kind.annotations()})
        command(**given)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    signed: Any = run
    signed.__signature__ = inspect.Signature(parameters)
    return run
