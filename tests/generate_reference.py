"""Write the library's reference from its docstrings: python tests/generate_reference.py.

`tests/test_docs.py` holds the page against the docstrings.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill
from typing import Any

import kvcalc

PAGE = Path(__file__).parents[1] / ".github" / "docs" / "reference.md"
HEAD = """# Reference of the library

Part of [kvcalc](../../README.md); the [library](library.md) by examples. This page is made from the
docstrings, by `python tests/generate_reference.py`.
"""
RAISES = re.compile(r"^    (\w+): ", re.M)
PLAIN = [
    (re.compile(r"\b(?:kvcalc(?:\.\w+)+|pathlib|typing|collections\.abc)\.(\w+)"), r"\1"),
    (re.compile(r"(: |-> )'([^']+)'"), r"\1\2"),
]
"""Annotations by their own names, without their modules and without quotes."""


def reference() -> str:
    """The page: functions, what they return, settings, errors; each in the order of its name."""
    kinds: dict[str, list[str]] = {
        "Functions": [],
        "Records and objects": [],
        "Settings of engines": [],
        "Errors and warnings": [],
    }
    for name in sorted(kvcalc.__all__, key=str.lower):
        kinds[_kind(name)].append(name)
    pieces = [HEAD]
    for kind, names in kinds.items():
        pieces.append(f"\n## {kind}\n")
        pieces += [piece for name in names for piece in _described(name)]
    return "".join(f"{piece}\n" for piece in pieces).replace("\n\n\n", "\n\n")


def _kind(name: str) -> str:
    named = getattr(kvcalc, name)
    if inspect.isfunction(named):
        return "Functions"
    if issubclass(named, Exception):
        return "Errors and warnings"
    return "Settings of engines" if name.endswith("Settings") else "Records and objects"


def _described(name: str) -> Iterator[str]:
    named = getattr(kvcalc, name)
    if inspect.isfunction(named):
        yield f"### {name}\n\n```text\n{_signature(name, named)}\n```\n"
        yield f"{_text(named)}\n"
        return
    yield f"### {name}\n\n{_text(named)}\n"
    fields = getattr(named, "__dataclass_fields__", None) or getattr(named, "model_fields", None)
    if fields:
        listed = ", ".join(f"`{field}`" for field in fields)
        yield f"{fill(f'Fields: {listed}.', 116, break_long_words=False)}\n"
    for method, body in _own(named):
        call = f"{name}{'' if method == '__call__' else '.' + method}"
        if isinstance(body, property):
            yield f"`{call}`: {_text(body)}\n"
        else:
            yield f"```text\n{_signature(call, body)}\n```\n\n{_text(body)}\n"


def _own(named: Any) -> Iterator[tuple[str, Any]]:
    """Its public methods and properties, and how it is called."""
    for method, body in vars(named).items():
        if method != "__call__" and method.startswith("_"):
            continue
        body = getattr(body, "__func__", body)
        if isinstance(body, property) or inspect.isfunction(body):
            yield method, body


def _signature(name: str, function: Any) -> str:
    """The call, an argument a line where one line is too long."""
    signature = inspect.signature(function)
    given = [one for one in signature.parameters.values() if one.name != "self"]
    parameters = [f"{one}" for one in given]
    marks = [one.kind for one in given]
    if inspect.Parameter.KEYWORD_ONLY in marks and inspect.Parameter.VAR_POSITIONAL not in marks:
        parameters.insert(marks.index(inspect.Parameter.KEYWORD_ONLY), "*")
    returned = inspect.formatannotation(signature.return_annotation)
    whole = f"{name}({', '.join(parameters)}) -> {returned}"
    if len(whole) > 100:
        lines = "".join(f"    {one},\n" for one in parameters)
        whole = f"{name}(\n{lines}) -> {returned}"
    for pattern, plain in PLAIN:
        whole = pattern.sub(plain, whole)
    return whole


def _text(named: Any) -> str:
    """The docstring, with what is raised as a list."""
    text = inspect.getdoc(named) or ""
    body, _, raised = text.partition("\nRaises:\n")
    if not raised:
        return text
    kinds = RAISES.sub(r"- `\1`: ", raised)
    return f"{body}\nRaises\n\n{re.sub(r'^ +', '  ', kinds, flags=re.M).rstrip()}"


if __name__ == "__main__":
    PAGE.write_text(reference())
