"""Commands that take dataclasses of options; typer sees one option per field."""

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take its shared options as dataclasses.

    A parameter whose type is a dataclass stands for the fields of that dataclass, in their order.
    """
    groups: dict[str, Any] = {}
    parameters = []
    for name, own in inspect.signature(command).parameters.items():
        if not is_dataclass(own.annotation):
            parameters.append(own)
            continue
        groups[name] = own.annotation
        parameters += [
            own.replace(name=field.name, annotation=field.type, default=field.default)
            for field in fields(own.annotation)
        ]

    def run(**given: Any) -> None:
        for name, kind in groups.items():
            given[name] = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
        command(**given)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run
