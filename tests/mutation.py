"""Faults made on purpose: how many of a sample the tests find.

    python tests/mutation.py --seed 1 --sample 400

Needs the extra kvcalc[mutation]. Each fault is one of Cosmic Ray's, in a process of its own that
runs the tests which reach the faulty line, or for a line that runs at import (a table's row) those
which reach its file. It prints each fault that no test found, and the share that were found.
"""

import argparse
import ast
import contextlib
import functools
import gc
import importlib
import importlib.abc
import importlib.util
import inspect
import itertools
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
WHERE = ("kvcalc/formula", "kvcalc/engines", "kvcalc/answers/check.py")
ARITHMETIC = ("Add_Sub", "Sub_Add", "Mul_Add", "FloorDiv_Mul", "Mod_FloorDiv", "BitOr_BitAnd")
COMPARISONS = (
    *("Eq_NotEq", "NotEq_Eq", "Lt_LtE", "LtE_Lt"),
    *("Gt_GtE", "GtE_Gt", "Is_IsNot", "IsNot_Is"),
)
OPERATORS = (
    *("NumberReplacer", "AddNot", "ReplaceContinueWithBreak"),
    *("ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
    *("ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_USub_UAdd"),
    *(f"ReplaceBinaryOperator_{pair}" for pair in ARITHMETIC),
    *(f"ReplaceComparisonOperator_{pair}" for pair in COMPARISONS),
)
"""Cosmic Ray's operators without those that make of an operator any other, however absurd."""

MAX_CPU_SECONDS = 180
MAX_SECONDS = 900
"""A fault that makes a test loop shows in processor time, whatever else the machine does; one that
makes it wait shows only in time that passes."""

MAX_TESTS = (600, 2_400)
"""Tests that a fault is put through, for all tests reach some lines: those of its own area first,
of these the ones that name its folder, and of each function that is tested with many values one
value after another. What those do not find is put through more, of all areas alike, and then
through the others of the same files, or for a line that runs at import of all."""

COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")

FOUND, MISSED, TOO_LONG = "found", "missed", "took too long"
ENDED = {0: MISSED, -signal.SIGXCPU: TOO_LONG}
"""What the end of a child says; any other is that a test failed."""


@dataclass(frozen=True)
class Fault:
    """A fault: the file, the line, the operator, which of its places there, and the faulty text."""

    path: str
    line: int
    operator: str
    occurrence: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.operator} ({self.occurrence})"


@dataclass(frozen=True)
class Place:
    """Where a fault may be made: the file, the line, the operator, which of its places there."""

    path: Path
    line: int
    operator: str
    occurrence: int

    def fault(self) -> Fault | None:
        """Make the fault; None where it changes nothing that can be seen."""
        from cosmic_ray.mutating import mutate_code

        source = self.path.read_text()
        text = mutate_code(source, _operator(self.operator), self.occurrence)
        if _meaning(text) in (None, _meaning(source)):
            return None
        path = str(self.path.relative_to(ROOT))
        return Fault(path, self.line, self.operator, self.occurrence, text)


def places(path: Path) -> Iterator[Place]:
    """Find every place in a file where an operator may make a fault."""
    from cosmic_ray.ast import ast_nodes, get_ast

    nodes = list(ast_nodes(get_ast(path.read_text())))
    for name in OPERATORS:
        found = [at for node in nodes for at in _operator(name).mutation_positions(node)]
        for occurrence, ((line, _), _) in enumerate(found):
            yield Place(path, line, name, occurrence)


def _operator(name: str) -> Any:
    from cosmic_ray.plugins import get_operator

    return get_operator(f"core/{name}")()


UNSEEN = {"strict", "maxsize"}
"""Arguments whose faults nobody can see: an assertion of our own, and how much is remembered."""


class _Bare(ast.NodeTransformer):
    """Takes out annotations, `if TYPE_CHECKING` and `UNSEEN`, which change no answer."""

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return None
        for field in ("annotation", "returns"):
            if getattr(node, field, None) is not None:
                setattr(node, field, ast.Constant(None))
        if isinstance(node, ast.Call):
            node.keywords = [one for one in node.keywords if one.arg not in UNSEEN]
            if ast.unparse(node.func) in ("lru_cache", "functools.lru_cache"):
                node.args = []
        return self.generic_visit(node)


def _meaning(source: str | None) -> str | None:
    """What a text does, whatever it is annotated with; None where it is not Python any more."""
    with contextlib.suppress(SyntaxError):
        return None if source is None else ast.dump(_Bare().visit(ast.parse(source)))
    return None


class Reached:
    """Which tests reach which lines, as coverage.py wrote it down."""

    def __init__(self, file: Path, measured_in: Path) -> None:
        from coverage import CoverageData

        self._data, self._root = CoverageData(str(file)), measured_in
        self._data.read()
        self._by_path: dict[str, dict[int, set[str]]] = {}
        self._every = {name.partition("|")[0] for name in self._data.measured_contexts()}

    def _by_line(self, path: str) -> dict[int, set[str]]:
        if path not in self._by_path:
            found = self._data.contexts_by_lineno(str(self._root / path))
            self._by_path[path] = {
                line: {name.partition("|")[0] for name in names} for line, names in found.items()
            }
        return self._by_path[path]

    def tests(self, fault: Fault) -> list[set[str]]:
        """Tests that reach the line, those of its own area first, then more; none if none does.

        A line that runs at import, in whichever test that was, is in what other files read: of it,
        those that reach its file, and those of all areas beside its own.
        """
        by_line = self._by_line(fault.path)
        at_line = by_line.get(fault.line, set()) - {""} if swaps(fault) else set()
        parts = Path(fault.path).parts
        area = f"tests/{'/'.join(parts[1:-1])}"
        anywhere = not at_line
        if anywhere:
            beside = f"tests/{parts[1]}/"
            at_line = {test for test in self._every if test.startswith(beside)}.union(
                *by_line.values()
            ) - {""}
            area = beside
        turns: Counter[str] = Counter()
        places: list[tuple[bool, bool, int, str]] = []
        for test in sorted(at_line):
            function = test.partition("[")[0]
            named = parts[-2] in test.replace(".", "_")  # an engine's folder, as its tests name it
            places.append((not test.startswith(area), not named, turns[function], test))
            turns[function] += 1
        first, more = MAX_TESTS
        own, others = sorted(places)[:first], sorted(places)[first:]
        others.sort(key=lambda place: place[2:])
        # What was remembered of a line is what the first test made that asked for it, and a table
        # that is read at import may be asked for anywhere.
        files = {test.partition("::")[0] for test in at_line}
        beyond = self._every - at_line
        unseen = sorted(t for t in beyond if anywhere or t.partition("::")[0] in files)
        parts_of_all = ({test for *_, test in own}, {test for *_, test in others[:more]})
        return [part for part in (*parts_of_all, set(unseen[:more])) if part]


def module_of(fault: Fault) -> str:
    """The name by which a fault's file is imported."""
    return ".".join(Path(fault.path).with_suffix("").parts).removesuffix(".__init__")


class _Faulty(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module with the faulty text in the place of its own."""

    def __init__(self, fault: Fault) -> None:
        self._package = Path(fault.path).stem == "__init__"
        self._name = module_of(fault)
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


def swaps(fault: Fault) -> list[tuple[CodeType, CodeType]]:
    """The functions that a fault changes, as they were and as they are; [] if it is at import."""
    path = ROOT / fault.path
    before = compile(path.read_text(), str(path), "exec")
    after = compile(fault.text, str(path), "exec")
    found: list[tuple[CodeType, CodeType]] = []

    def compare(old: CodeType, new: CodeType) -> bool:
        """Whether code that runs at import differs: a module's, or that of a class in it."""
        differs = old.co_code != new.co_code
        for a, b in zip(old.co_consts, new.co_consts, strict=False):
            if not isinstance(a, CodeType) or not isinstance(b, CodeType):
                differs |= (a, type(a)) != (b, type(b))
            elif a != b and a.co_name in COMPREHENSIONS:
                differs = True
            elif a != b and a.co_flags & inspect.CO_OPTIMIZED:
                found.extend(_with_those_in_it(a, b))
            elif a != b:
                differs |= compare(a, b)
        return differs

    return [] if compare(before, after) else found


def _with_those_in_it(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """A function that changes, and those in it that do: some were made at import."""
    yield old, new
    for a, b in zip(old.co_consts, new.co_consts, strict=False):
        if isinstance(a, CodeType) and isinstance(b, CodeType) and a != b:
            yield from _with_those_in_it(a, b)


def swap(pairs: Sequence[tuple[CodeType, CodeType]]) -> None:
    """Give every function that there is its faulty code, and forget what was remembered."""
    faulty = dict(pairs)
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__code__ in faulty:
            one.__code__ = faulty[one.__code__]
        elif isinstance(one, functools._lru_cache_wrapper):
            one.cache_clear()


class _Suite:
    """Collects the suite once; each fault of a function's code is tried in a child of that."""

    def __init__(self, tried: Callable[[Fault, Iterable[Callable[[], int]]], None]) -> None:
        self._tried = tried
        self.faults: list[tuple[Fault, list[set[str]]]] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        items, main = list(session.items), sys.modules["_pytest.main"]
        for fault, _ in self.faults:  # a test that imports it later would have it without the fault
            importlib.import_module(module_of(fault))
        gc.unfreeze()  # what tests/conftest.py set aside
        there = {one.__code__ for one in gc.get_objects() if isinstance(one, FunctionType)}
        gc.freeze()
        for fault, parts in self.faults:
            assert there.intersection(old for old, _ in swaps(fault)), f"{fault}: no such function"

            def child(tests: set[str], fault: Fault = fault) -> int:
                gc.unfreeze()
                swap(swaps(fault))
                session.items = [item for item in items if item.nodeid in tests]
                random.Random(fault.line).shuffle(session.items)
                with contextlib.suppress(session.Interrupted, session.Failed):
                    main.pytest_runtestloop(session)
                return int(session.testsfailed)

            self._tried(fault, [functools.partial(child, tests) for tests in parts])
        return True


def at_import(fault: Fault, tests: set[str]) -> int:
    """Run the tests of a fault from the first import on; the number is 0 where all pass."""

    class Only:
        def pytest_collection_modifyitems(self, items: list[Any]) -> None:
            items[:] = [item for item in items if item.nodeid in tests]
            random.Random(fault.line).shuffle(items)

    sys.meta_path.insert(0, _Faulty(fault))
    files = sorted({test.partition("::")[0] for test in tests})
    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *files], plugins=[Only()]))


def in_a_child(run: Callable[[], int]) -> str:
    """Run something in a child process, so that nothing of it stays."""
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS + 1))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        code = 1
        with contextlib.suppress(BaseException):
            code = run()
        os._exit(min(code, 1))
    end = time.monotonic() + MAX_SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return ENDED.get(os.waitstatus_to_exitcode(status), FOUND)
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return TOO_LONG


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the faults that no test found, and the share of those that were."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("where", nargs="*", default=WHERE, help="files or folders")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sample", type=int, default=400)
    parser.add_argument("--coverage", type=Path, default=ROOT / ".coverage.mutation")
    parser.add_argument("--measured-in", type=Path, default=ROOT, help="where --coverage was made")
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
    every = [place for path in paths for place in places(path)]
    random.Random(given.seed).shuffle(every)
    made = filter(None, (place.fault() for place in every))
    chosen = list(itertools.islice(made, given.sample))
    reached = Reached(given.coverage, given.measured_in)
    counts: Counter[str] = Counter()

    def tried(fault: Fault, runs: Iterable[Callable[[], int]]) -> None:
        found = next(filter(MISSED.__ne__, map(in_a_child, runs)), MISSED)
        counts[found] += 1
        if found != FOUND:
            print(f"{fault}: {found}", flush=True)

    suite = _Suite(tried)
    for fault in sorted(chosen, key=lambda fault: fault.path):
        tests = reached.tests(fault)
        if not tests:
            counts[MISSED] += 1
            print(f"{fault}: no test reaches it", flush=True)
        elif swaps(fault):
            suite.faults.append((fault, tests))
        else:
            tried(fault, [functools.partial(at_import, fault, part) for part in tests])
    pytest.main(["-x", "-q", "-p", "no:cacheprovider"], plugins=[suite])
    share = 100 * counts[FOUND] / max(1, counts.total())
    tried_of = f"{len(every):,} places, {counts.total()} faults tried (seed {given.seed})"
    print(f"{tried_of}: {share:.1f} % found")
    print(", ".join(f"{count} {name}" for name, count in counts.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
