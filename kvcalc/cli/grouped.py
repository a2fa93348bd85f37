"""Commands that take dataclasses of options: typer is shown each field as an option of its own."""

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take its shared options by the dataclass.

    A parameter whose type is a dataclass stands for that dataclass' fields, in their order.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
    parameters = []
    for name, own in inspect.signature(command).parameters.items():
        if name not in groups:
            parameters.append(own.replace(annotation=hints[name]))
            continue
        of_field = get_type_hints(groups[name], include_extras=True)
        parameters += [
            own.replace(name=field.name, annotation=of_field[field.name], default=field.default)
            for field in fields(groups[name])
        ]

    def run(**given: Any) -> None:
        for name, kind in groups.items():
            given[name] = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
        command(**given)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run
