"""The library's public names, and what importing them costs."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from inspect import isfunction, signature
from io import BytesIO
from pathlib import Path
from pydoc import plain, render_doc
from rlcompleter import Completer
from tempfile import TemporaryDirectory
from tomllib import loads
from typing import Any, get_args, get_type_hints

import pytest
from mypy import api

import kvcalc
from kvcalc import errors
from kvcalc.cli.app import COMMANDS
from tests.each import each

LLAMA = kvcalc.load("llama-3.1-8b")
ROOT = Path(__file__).parents[1]
FUNCTIONS = [name for name in kvcalc.__all__ if isfunction(getattr(kvcalc, name))]


def run(code: str) -> str:
    """Run code in an interpreter of its own."""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ran.stdout


@each("name", kvcalc.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert callable(getattr(kvcalc, name))


def test_type_checkers_see_the_names_that_are_imported_when_asked_for() -> None:
    tree = ast.parse(Path(kvcalc.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    seen = {
        (f"{node.module}", alias.asname)
        for node in imports
        for alias in node.names
        if f"{node.module}".startswith("kvcalc.")
    }
    assert seen == {(f"kvcalc.{home}", name) for name, home in kvcalc._HOME_OF.items()}


def test_names_can_be_listed_completed_and_read_about() -> None:
    assert set(kvcalc.__all__) < set(dir(kvcalc))
    completer = Completer({"kvcalc": kvcalc})
    assert str(completer.complete("kvcalc.swee", 0)).startswith("kvcalc.sweep")
    page = plain(render_doc(kvcalc))
    for name in FUNCTIONS:
        assert f"    {name}(" in page


def test_every_kind_of_error_is_public() -> None:
    raised = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and kind.__module__ == errors.__name__
    ]
    assert len(raised) > 4
    for kind in raised:
        assert getattr(kvcalc, kind.__name__) is kind
        assert issubclass(kind, kvcalc.KvcalcError)


OTHERWISE = {"formula": ["write_formula"], "engines": ["list_engines", "describe_engine"]}
"""Commands whose name is a package's: `kvcalc.formula`, `kvcalc.engines`."""


@each("command", COMMANDS)
def test_every_command_has_a_function_of_its_name(command: str) -> None:
    names = OTHERWISE.get(command, [command])
    assert set(names) <= set(FUNCTIONS)
    assert (Path(kvcalc.__file__).parent / command).is_dir() == (command in OTHERWISE)


def kinds(hint: Any) -> Iterator[type]:
    """The classes of kvcalc in a type."""
    for part in get_args(hint):
        yield from kinds(part)
    if isinstance(hint, type) and hint.__module__.startswith("kvcalc."):
        yield hint


def returned() -> set[type]:
    """The classes that public functions return, and those in the fields of their records."""
    hints = [get_type_hints(getattr(kvcalc, name))["return"] for name in FUNCTIONS]
    found: set[type] = set()
    while hints:
        new = {kind for hint in hints for kind in kinds(hint)} - found
        found |= new
        hints = [
            get_type_hints(kind, localns={"DuckDBPyRelation": Any})[field.name]
            for kind in new
            if is_dataclass(kind)
            for field in fields(kind)
        ]
    return found


@each("kind", sorted(returned(), key=str))
def test_every_type_that_is_returned_is_public(kind: type) -> None:
    assert getattr(kvcalc, kind.__name__) is kind


@each("name", FUNCTIONS)
def test_every_public_function_has_types_that_resolve(name: str) -> None:
    hints = get_type_hints(getattr(kvcalc, name))
    assert hints["return"] is not Any


def test_the_version_is_the_packages_own() -> None:
    project = loads((ROOT / "pyproject.toml").read_text())["project"]
    assert kvcalc.__version__ == project["version"]


def test_public_names_stay_themselves_whatever_is_imported_beside_them() -> None:
    code = """
import importlib, pkgutil, kvcalc
for module in pkgutil.walk_packages(kvcalc.__path__, "kvcalc."):
    if module.name != "kvcalc.__main__":
        importlib.import_module(module.name)
print([name for name in kvcalc.__all__ if not callable(getattr(kvcalc, name))])
"""
    assert run(code) == "[]\n"


LOG = b"Available KV cache memory: 50.00 GiB\nGPU KV cache size: 918,519 tokens\n"
TRACE = "tests/oracles/traces/azure_code.csv"
EXAONE = kvcalc.load("k-exaone-236b-a23b")


def sheet(**given: Any) -> kvcalc.Workbook:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "plan.xlsx"
        return kvcalc.sheet("k-exaone-236b-a23b", path, among=["vllm"], **given)


GIVEN: dict[str, Any] = {"block_size": 32, "kv_cache_dtype": "fp8", "tensor_parallel_size": 2}
ASKED: dict[str, Callable[..., Any]] = {
    "check": lambda **given: kvcalc.check(BytesIO(LOG), EXAONE, **given),
    "compare": lambda **given: kvcalc.compare(EXAONE, among=["vllm", "ideal"], **given),
    "diff": lambda **given: kvcalc.diff(EXAONE, "vllm", "ideal", **given),
    "write_formula": lambda **given: kvcalc.write_formula(EXAONE, engine="vllm", **given),
    "cost": lambda **given: kvcalc.cost(EXAONE, "vllm", **given),
    "estimate": lambda **given: kvcalc.estimate(EXAONE, engine="vllm", **given),
    "explain": lambda **given: kvcalc.explain(EXAONE, engine="vllm", **given),
    "fit": lambda **given: kvcalc.fit(EXAONE, engine="vllm", gpu="h200", **given),
    "plot": lambda **given: kvcalc.plot(EXAONE, engine="vllm", points=3, **given),
    "pool": lambda **given: kvcalc.pool(EXAONE, "vllm", memory=2**36, **given),
    "replay": lambda **given: (
        kvcalc.replay(
            EXAONE, "tests/oracles/traces/replay/tree_small.jsonl", memory=2**30, **given
        ).rows
    ),
    "sheet": lambda **given: sheet(**given),
    "sweep": lambda **given: kvcalc.sweep(EXAONE, engine="vllm", **given),
    "trace": lambda **given: (
        kvcalc.trace(EXAONE, TRACE, engine="vllm", prefill_rate=8_000, decode_rate=40, **given).rows
    ),
}
"""The functions that take an engine's settings, each asked with some."""


@each("name", FUNCTIONS)
def test_every_function_of_settings_is_asked_below(name: str) -> None:
    assert ("settings" in signature(getattr(kvcalc, name)).parameters) == (name in ASKED)


@each("name", ASKED)
def test_settings_may_be_given_by_name_or_as_their_class_or_both(name: str) -> None:
    by_name = ASKED[name](**GIVEN)
    rest = dict(GIVEN)
    dtype = rest.pop("kv_cache_dtype")
    assert by_name != ASKED[name]()
    assert by_name == ASKED[name](settings=kvcalc.VllmSettings(**GIVEN))
    assert by_name == ASKED[name](settings=kvcalc.VllmSettings(**rest), kv_cache_dtype=dtype)


@each("name", ASKED)
def test_settings_of_another_class_or_given_twice_are_refused(name: str) -> None:
    for settings, given, sentence in (
        ({"block_size": 32}, {}, "settings: found {'block_size': 32}, expected an engine's sett"),
        (kvcalc.VllmSettings(block_size=32), {"block_size": 16}, "block_size: found in settings"),
    ):
        with pytest.raises(kvcalc.RequestError, match=f"^{re.escape(sentence)}"):
            ASKED[name](settings=settings, **given)
    with pytest.raises(kvcalc.KvcalcError, match=r"(no|the)( setting)? 'prefill_step_size'"):
        ASKED[name](settings=kvcalc.MlxSettings(prefill_step_size=512))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    name = "nothing_of_the_kind"
    with pytest.raises(AttributeError, match=f"'{name}'"):
        getattr(kvcalc, name)


def test_a_name_that_is_not_there_is_a_type_error(tmp_path: Path) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text("import kvcalc\nreveal_type(kvcalc.load)\nkvcalc.lod()\n")
    seen = [str(ROOT / "kvcalc" / file) for file in ("__init__.py", "readers/__init__.py")]
    alone = ["--strict", "--follow-imports=skip", f"--cache-dir={os.devnull}"]
    told, _, code = api.run([*alone, *seen, str(snippet)])
    assert code == 1
    assert 'Module has no attribute "lod"' in told
    assert 'Revealed type is "def (source: ' in told


def test_importing_kvcalc_alone_imports_nothing_of_it() -> None:
    code = """
import sys
before = set(sys.modules)
import kvcalc
print(sorted({name.partition(".")[0] for name in sys.modules.keys() - before}))
"""
    assert run(code) == "['kvcalc']\n"


def test_the_library_imports_neither_rich_nor_typer() -> None:
    code = """
import sys, kvcalc
model = kvcalc.load("k-exaone-236b-a23b")
kvcalc.cost(model)(context=8192), kvcalc.sweep(model), kvcalc.cost(model).explain(context=8192)
print(sorted({"rich", "typer", "click"} & set(sys.modules)))
"""
    assert run(code) == "[]\n"


def test_the_contract_of_the_design_holds() -> None:
    model = kvcalc.load("k-exaone-236b-a23b")
    cost = kvcalc.cost(model, engine="ideal", kv_cache_dtype="fp8", tensor_parallel_size=8)
    assert cost(context=262_144) == 12_903_776_256 // 2
    assert cost(context=262_144, sequences=16, window=4096) == 16 * 13_488_881_664 // 2
    assert cost.per_gpu(context=262_144) == 12_903_776_256 // 16
    assert str(cost.formula) == "(12*context + 36*min(context, window)) * 2048 * sequences"
    assert str(cost.explain(context=262_144)).endswith("= 6,451,888,128 bytes")
    rows = kvcalc.sweep(model, context=[8192, 262_144], window=[4096, 128])
    assert [row.bytes for row in rows] == [
        1_006_632_960,
        421_527_552,
        13_488_881_664,
        12_903_776_256,
    ]


@each(
    ("warns", "kind"),
    [
        (lambda: kvcalc.fit(LLAMA, gpu="h100", engine="vllm"), kvcalc.UntestedWarning),
        (lambda: kvcalc.cost(LLAMA, "vllm@0.99"), kvcalc.ReleaseWarning),
        (
            lambda: kvcalc.sweep(LLAMA, engine=["ideal", "mlx"], kv_cache_dtype="fp8"),
            kvcalc.RefusedWarning,
        ),
    ],
)
def test_a_warning_names_the_line_that_called(warns: Callable[[], object], kind: type) -> None:
    with pytest.warns(kind) as caught:
        warns()
    assert {warning.filename for warning in caught} == {__file__}
