"""No code reads an error's text: what a program needs to know of one is in its kind and facts.

So no sentence of a wrong request says by itself what is expected: it is written from the fact.
"""

import ast
import re
from pathlib import Path

import pytest

import kvcalc
from tests.each import each
from tests.sources import nodes, text, tree

MODULES = sorted(Path(kvcalc.__file__).parent.rglob("*.py"))

READING = frozenset(
    {
        *("startswith", "endswith", "removeprefix", "removesuffix", "replace", "count"),
        *("split", "rsplit", "splitlines", "partition", "rpartition"),
        *("find", "rfind", "index", "rindex", "strip", "lstrip", "rstrip"),
    }
)
"""Methods of a text that look into it."""

TELLS = re.compile(r"\bexcept\b|\.error\b")
"""What the text of an error is first taken from: code without either has none."""

MATCHING = frozenset({"match", "fullmatch", "search", "findall", "finditer", "sub"})


def uses(module: ast.Module) -> list[int]:
    """The lines on which something looks into the text of an error."""
    code = nodes(module)
    errors = {node.name for node in code if isinstance(node, ast.ExceptHandler)}
    values = [value for node in code for value in _given(node)]
    texts: set[str] = set()  # of variables that hold such a text, and functions that return one
    while True:
        found = texts | {name for name, value in values if _is_text(value, errors, texts)}
        if found == texts:
            break
        texts = found
    looked = [text for node in code for text in _read(node)]
    return sorted({text.lineno for text in looked if _is_text(text, errors, texts)})


def _given(node: ast.AST) -> list[tuple[str, ast.expr | None]]:
    """What a variable is set to, or a function returns, by its name."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return [(name, value)]
        case ast.FunctionDef(name=name):
            return [(name, one.value) for one in ast.walk(node) if isinstance(one, ast.Return)]
    return []


def _is_text(node: ast.AST | None, errors: set[str | None], texts: set[str]) -> bool:
    """Whether an expression is the text of an error, or may be."""
    match node:
        case ast.Call(func=ast.Name(id="str" | "repr"), args=[ast.Name(id=name)]):
            return name in errors
        case ast.Call(func=ast.Name(id=name)) | ast.Name(id=name):
            return name in texts
        case ast.Attribute(value=ast.Name(id=name), attr="args" | "message"):
            return name in errors
        case ast.Attribute(attr="error"):  # a record's sentence, of an engine that refuses
            return True
        case ast.BoolOp(values=parts):
            return any(_is_text(part, errors, texts) for part in parts)
        case ast.JoinedStr(values=parts):
            inner = [part.value for part in parts if isinstance(part, ast.FormattedValue)]
            return any(_is_text(part, errors, texts) or _is_error(part, errors) for part in inner)
        case ast.IfExp(body=body, orelse=orelse):
            return _is_text(body, errors, texts) or _is_text(orelse, errors, texts)
    return False


def _is_error(node: ast.AST, errors: set[str | None]) -> bool:
    return isinstance(node, ast.Name) and node.id in errors


def _read(node: ast.AST) -> list[ast.expr]:
    """What a node looks into, were it a text: by a method, a comparison, a pattern or an index."""
    match node:
        case ast.Call(func=ast.Attribute(value=text, attr=method), args=arguments):
            looked = [text] if method in READING else []
            return looked + (list(arguments) if method in MATCHING else [])
        case ast.Compare(left=left, ops=ops, comparators=others):
            return [] if isinstance(ops[0], ast.Is | ast.IsNot) else [left, *others]
        case ast.Subscript(value=text):
            return [text]
    return []


@each("module", MODULES, ids=lambda path: path.stem)
def test_no_code_reads_the_text_of_an_error(module: Path) -> None:
    if module.name != "errors.py" and TELLS.search(text(module)):
        assert uses(tree(module)) == []


def says_what_is_expected(module: ast.Module) -> list[int]:
    """The lines of texts with "expected" in them of which a wrong request's sentence is made."""
    code = nodes(module)
    said = [text for node in code for text in _sentence(node)]
    names = {one.id for text in said for one in ast.walk(text) if isinstance(one, ast.Name)}
    variables = [pair for node in code if isinstance(node, ast.Assign) for pair in _given(node)]
    said += [value for name, value in variables if value and name in names]
    return sorted(
        part.lineno
        for text in said
        for part in ast.walk(text)
        if isinstance(part, ast.Constant) and "expected" in str(part.value)
    )


def _sentence(node: ast.AST) -> list[ast.expr]:
    """What a wrong request is said with, here or by pydantic, which takes over a ValueError's."""
    match node:
        case ast.Call(
            func=ast.Name(id="RequestError" | "ValueError")
            | ast.Attribute(value=ast.Name(id="RequestError"), attr="about"),
            args=words,
            keywords=named,
        ):
            return [*words, *(one.value for one in named if one.arg != "expected")]
    return []


@each("module", MODULES, ids=lambda path: path.stem)
def test_no_sentence_of_a_wrong_request_says_by_itself_what_is_expected(module: Path) -> None:
    if "expected" in text(module):
        assert says_what_is_expected(tree(module)) == []


@each(
    ("line", "found"),
    [
        ("raise RequestError(f'{name}: found {size}, expected 1')", [1]),
        ("raise RequestError.about('gpus', 'found 0, expected more', found=0)", [1]),
        ("raise RequestError.about('gpus', why='found 0, ' + 'expected more')", [1]),
        ("why = f'found {size}, expected 1'\nraise RequestError.about('gpus', why)", [1]),
        ("raise ValueError(f'found {size}, expected 1')", [1]),
        ("raise RequestError.about('gpus', f'found {size}', expected='as expected')", []),
        ("raise RequestError.of('gpus', expected, 'more')", []),
        ("raise SourceError.of(path, 'found nothing, expected a trace')", []),
    ],
)
def test_the_rule_of_sentences_finds(line: str, found: list[int]) -> None:
    assert says_what_is_expected(ast.parse(line)) == found


def test_every_error_is_of_a_kind() -> None:
    bare = [
        f"{module.name}:{node.lineno}"
        for module in MODULES
        if "KvcalcError" in text(module)
        for node in nodes(tree(module))
        if isinstance(node, ast.Call)
        if isinstance(node.func, ast.Name) and node.func.id == "KvcalcError"
    ]
    assert bare == []


@each(
    "line",
    [
        "if str(error).startswith('memory:'): pass",
        "if 'memory' in str(error): pass",
        "if error.args[0] == 'memory': pass",
        "_, _, rest = str(error).partition(', ')",
        "text = str(error); text.split(':')",
        "text = f'{error}'; text[:6]",
        "re.search('memory', str(error))",
        "row.error.startswith('vllm')",
        "said = row.error or row.why; said.startswith('vllm')",
    ],
)
def test_the_rule_finds(line: str) -> None:
    handler = f"try:\n    go()\nexcept KvcalcError as error:\n    {line}\n"
    assert uses(ast.parse(handler)) == [4]


def test_the_rule_follows_what_a_function_returns() -> None:
    caught = "    try:\n        go()\n    except KvcalcError as error:\n        return str(error)\n"
    assert uses(ast.parse(f"def why():\n{caught}refused = why()\nrefused.partition(', ')\n")) == [7]


@pytest.mark.parametrize(
    "line", ["print(str(error))", "raise Other(f'{file}: {error}')", "return row.error or ''"]
)
def test_the_rule_lets_through(line: str) -> None:
    handler = f"try:\n    go()\nexcept KvcalcError as error:\n    {line}\n"
    assert uses(ast.parse(handler)) == []


LEAST = {"RequestError": "field", "UnsupportedError": "what"}
"""What the one who refuses knows; the engine, or a file's name, is known further out."""


def unsaid(module: ast.Module) -> list[int]:
    """The lines of errors that are made without that fact."""
    return [
        node.lineno
        for node in nodes(module)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in LEAST
        and LEAST[node.func.id] not in [word.arg for word in node.keywords]
    ]


@each("module", MODULES, ids=lambda path: path.stem)
def test_a_refusal_says_as_a_fact_what_it_is_about(module: Path) -> None:
    if module.name != "errors.py" and any(name in text(module) for name in LEAST):
        assert unsaid(tree(module)) == []


@each(
    ("line", "found"),
    [
        ("raise RequestError(f'{name}: {one.error}')", [1]),
        ("raise UnsupportedError('no such layers', engine='mlx')", [1]),
        ("raise RequestError('gpus: none', field='gpus')", []),
        ("raise one.error.within(name)", []),
    ],
)
def test_the_rule_of_facts_finds(line: str, found: list[int]) -> None:
    assert unsaid(ast.parse(line)) == found
