"""Our own files, as text and as trees of Python's grammar, each once for all tests of a process."""

import ast
import gc
from functools import cache
from pathlib import Path


@cache
def text(path: Path) -> str:
    return path.read_text()


@cache
def tree(path: Path) -> ast.Module:
    """Parse a file; what it is made of is never looked at for garbage, for that takes longer."""
    parsed = ast.parse(text(path))
    gc.freeze()
    return parsed


@cache
def nodes(module: ast.Module) -> list[ast.AST]:
    return list(ast.walk(module))
