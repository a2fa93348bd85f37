"""The library's public names, and what importing them costs."""

import subprocess
import sys

import pytest

import kvcalc


@pytest.mark.parametrize("name", kvcalc.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert callable(getattr(kvcalc, name))


def test_public_names_stay_themselves_whatever_is_imported_beside_them() -> None:
    code = """
import importlib, pkgutil, kvcalc
for module in pkgutil.walk_packages(kvcalc.__path__, "kvcalc."):
    if module.name != "kvcalc.__main__":
        importlib.import_module(module.name)
model = kvcalc.load("k-exaone-236b-a23b")
print(kvcalc.cost(model)(context=262_144), len(kvcalc.sweep(model)))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["12903776256", "8"]


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        kvcalc.nothing_of_the_kind  # noqa: B018


def test_the_library_imports_neither_rich_nor_typer() -> None:
    code = """
import sys, kvcalc
model = kvcalc.load("k-exaone-236b-a23b")
kvcalc.cost(model)(context=8192), kvcalc.sweep(model), kvcalc.cost(model).explain(context=8192)
print(sorted({"rich", "typer", "click"} & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


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
