"""Nothing public in kvcalc/ is there for tests alone, or for nobody."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import kvcalc
from tests.sources import tree

ROOT = Path(kvcalc.__file__).parent

CALLED_FROM_OUTSIDE = {
    "kvcalc.cli.app.Commands.format_commands": "click",
    "kvcalc.cli.typer_command.Command.format_options": "click",
    "kvcalc.cli.typer_command.Command.shell_complete": "click",
    "kvcalc.costs.Cost.expr": "the library's users",
}
"""What no code of ours names, and who calls it."""


def defined(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """The public functions, classes, constants and methods that a module defines."""
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name, node
            case ast.FunctionDef(name=name):
                yield name, node
            case ast.ClassDef(name=name, body=members):
                yield name, node
                methods = (each for each in members if isinstance(each, ast.FunctionDef))
                yield from ((f"{name}.{method.name}", method) for method in methods)


def words(top: ast.AST) -> Iterator[str]:
    """What code reads: `name`, `.attribute`, `module.name`, and the 'text' that may be a name."""
    within: list[tuple[ast.AST, frozenset[str]]] = [(top, frozenset())]
    while within:
        node, local = within.pop()
        match node:
            case ast.FunctionDef() | ast.Lambda():
                local |= {each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)}
            case ast.Name(id=word, ctx=ast.Load()) if word not in local:
                yield word
            case ast.Attribute(value=owner, attr=word):
                yield f".{word}"
                if isinstance(owner, ast.Name | ast.Call):
                    yield f"{owner.id if isinstance(owner, ast.Name) else '()'}.{word}"
            case ast.MatchClass(kwd_attrs=attributes):
                yield from (f".{word}" for word in attributes)
            case ast.ImportFrom(module=str(module), names=names):
                yield from (f"{module}.{each.name}" for each in names)
            case ast.Constant(value=str(text)):
                yield f"'{text.rpartition('.')[2]}'"
                if " | " in text or "[" in text:  # perhaps a type in quotation marks
                    yield from re.findall(r"\w+", text)
        within += ((child, local) for child in ast.iter_child_nodes(node))


@dataclass(frozen=True)
class Reads:
    """How often each word is read, by module and in all."""

    within: dict[str, Counter[str]]
    everywhere: Counter[str]


def is_used(reads: Reads, module: str, name: str, node: ast.stmt) -> bool:
    """Whether code outside of the definition reads what it defines."""
    owner, _, word = name.rpartition(".")
    if owner:
        read = (f".{word}", f"'{word}'")
        if any(reads.everywhere[form] > reads.within[module][form] for form in read):
            return True
        inside = Counter(words(node))
        return any(reads.everywhere[form] > inside[form] for form in read)
    near = module.rpartition(".")[2]
    forms = (f"{module}.{word}", f"{near}.{word}", f"().{word}", f"'{word}'")
    return any(reads.everywhere[form] for form in forms) or (
        reads.within[module][word] > Counter(words(node))[word]
    )


def test_whatever_is_public_is_used() -> None:
    modules = {
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in sorted(ROOT.rglob("*.py"))
    }
    reads = Reads(
        {module: Counter(words(tree(path))) for module, path in modules.items()}, Counter()
    )
    for counted in reads.within.values():
        reads.everywhere.update(counted)
    unused = {
        f"{module}.{name}"
        for module, path in modules.items()
        for name, node in defined(tree(path).body)
        if not name.rpartition(".")[2].startswith("_") and not is_used(reads, module, name, node)
    }
    assert unused == set(CALLED_FROM_OUTSIDE)
