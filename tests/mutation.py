"""Faults made on purpose: how many of a sample the tests find.

    python tests/mutation.py --seed 1 --sample 400

Needs the extra kvcalc[mutation]. Each fault is one of Cosmic Ray's, in a process of its own that
runs the tests which reach the faulty line, or for a line that runs at import (a table's row) those
which reach its file. It prints each fault that no test found, and the share that were found.
"""

import argparse
import ast
import contextlib
import importlib
import importlib.abc
import importlib.util
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
WHERE = ("kvcalc/formula", "kvcalc/engines", "kvcalc/answers/check.py")
OPERATORS = (
    "NumberReplacer",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "AddNot",
    "ReplaceContinueWithBreak",
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_USub_UAdd",
    *(
        f"ReplaceBinaryOperator_{pair}"
        for pair in [
            "Add_Sub",
            "Sub_Add",
            "Mul_Add",
            "FloorDiv_Mul",
            "Mod_FloorDiv",
            "Pow_Mul",
            "BitOr_BitAnd",
        ]
    ),
    *(
        f"ReplaceComparisonOperator_{pair}"
        for pair in [
            "Eq_NotEq",
            "NotEq_Eq",
            "Lt_LtE",
            "LtE_Lt",
            "Gt_GtE",
            "GtE_Gt",
            "Is_IsNot",
            "IsNot_Is",
        ]
    ),
)
"""Cosmic Ray's operators without those that make of an operator any other, however absurd."""

MAX_SECONDS = 300
FOUND, MISSED, TOO_LONG = "found", "missed", "took too long"


@dataclass(frozen=True)
class Fault:
    """A fault: the file, the line, the operator, which of its places there, and the faulty text."""

    path: str
    line: int
    operator: str
    occurrence: int
    text: str


def faults(path: Path) -> Iterator[Fault]:
    """Make every fault of a file that changes what it does: annotations and texts apart."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    source = path.read_text()
    before = _meaning(source)
    for name in OPERATORS:
        operator = get_operator(f"core/{name}")()
        places = [
            place
            for node in ast_nodes(get_ast(source))
            for place in operator.mutation_positions(node)
        ]
        for occurrence, ((line, _), _) in enumerate(places):
            text = mutate_code(source, operator, occurrence)
            if text is not None and _meaning(text) != before:
                yield Fault(str(path.relative_to(ROOT)), line, name, occurrence, text)


class _Bare(ast.NodeTransformer):
    """Takes out annotations and `if TYPE_CHECKING`, which change nothing that runs."""

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return None
        for field in ("annotation", "returns"):
            if getattr(node, field, None) is not None:
                setattr(node, field, ast.Constant(None))
        return self.generic_visit(node)


def _meaning(source: str) -> str:
    return ast.dump(_Bare().visit(ast.parse(source)))


class Reached:
    """Which tests reach which lines, as coverage.py wrote it down."""

    def __init__(self, file: Path) -> None:
        from coverage import CoverageData

        self._data = CoverageData(str(file))
        self._data.read()

    def tests(self, fault: Fault) -> set[str]:
        """Tests that reach the line; of a line that runs at import, those that reach its file."""
        by_line = self._data.contexts_by_lineno(str(ROOT / fault.path))
        at_line = {name.partition("|")[0] for name in by_line.get(fault.line, ())}
        if not at_line or "" in at_line:
            at_line = {name.partition("|")[0] for names in by_line.values() for name in names}
        return at_line - {""}


class _Faulty(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module with the faulty text in the place of its own."""

    def __init__(self, fault: Fault) -> None:
        parts = Path(fault.path).with_suffix("").parts
        self._package = parts[-1] == "__init__"
        self._name = ".".join(parts[:-1] if self._package else parts)
        self._path, self._text = ROOT / fault.path, fault.text

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        if name != self._name:
            return None
        inside = [str(self._path.parent)] if self._package else None
        return importlib.util.spec_from_file_location(
            name, self._path, loader=self, submodule_search_locations=inside
        )

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._text, str(self._path), "exec"), module.__dict__)


class _Only:
    """Lets the tests of a fault alone run, in an order by chance."""

    def __init__(self, tests: set[str], seed: int) -> None:
        self._tests, self._seed = tests, seed

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = [item for item in items if item.nodeid in self._tests]
        random.Random(self._seed).shuffle(items)


def outcome(fault: Fault, tests: set[str], seed: int) -> str:
    """Run the tests of a fault in a child process, so that nothing of it stays."""
    if not tests:
        return MISSED
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        os._exit(_run(fault, tests, seed))
    end = time.monotonic() + MAX_SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return MISSED if status == 0 else FOUND
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return TOO_LONG


def _run(fault: Fault, tests: set[str], seed: int) -> int:
    import pytest

    sys.meta_path.insert(0, _Faulty(fault))
    files = sorted({test.partition("::")[0] for test in tests})
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--no-cov"]
    with contextlib.suppress(BaseException):
        return int(pytest.main([*options, *files], plugins=[_Only(tests, seed)]))
    return 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the faults that no test found, and the share of those that were."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("where", nargs="*", default=WHERE, help="files or folders")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sample", type=int, default=400)
    parser.add_argument("--coverage", type=Path, default=ROOT / ".coverage.mutation")
    given = parser.parse_args(arguments)
    os.chdir(ROOT)
    if not given.coverage.exists():
        measured = ["--cov=kvcalc", "--cov-context=test", "--cov-report="]
        covered = {**os.environ, "COVERAGE_FILE": str(given.coverage)}
        subprocess.run([sys.executable, "-m", "pytest", *measured], env=covered, check=True)
    paths = [
        path
        for where in given.where
        for path in (sorted(Path(where).resolve().rglob("*.py")) or [Path(where).resolve()])
    ]
    every = [fault for path in paths for fault in faults(path)]
    chosen = random.Random(given.seed).sample(every, min(given.sample, len(every)))
    reached = Reached(given.coverage)
    for library in ("hypothesis", "numpy", "pytest"):  # once, before all children
        importlib.import_module(library)
    counts: Counter[str] = Counter()
    for fault in chosen:
        found = outcome(fault, reached.tests(fault), given.seed)
        counts[found] += 1
        if found == MISSED:
            print(f"{fault.path}:{fault.line}: {fault.operator} ({fault.occurrence})", flush=True)
    share = 100 * (len(chosen) - counts[MISSED]) / max(1, len(chosen))
    print(f"{len(every):,} faults, {len(chosen)} tried (seed {given.seed}): {share:.1f} % found")
    print(", ".join(f"{count} {name}" for name, count in counts.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
