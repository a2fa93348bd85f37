"""What answers are made of: records that can be unfolded, and objects short to print."""

import copy
import importlib
import pickle
import pkgutil
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, fields, is_dataclass, replace
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

import pytest

import kvcalc
from kvcalc.catalogue.models import names
from kvcalc.engines import ENGINES
from kvcalc.records import Record
from tests.each import each
from tests.shapes import full, model, sliding

EXAONE = kvcalc.load("k-exaone-236b-a23b")
TRACE = "tests/oracles/traces/azure_code.csv"
MOST = 300
"""Characters of a repr."""


@cache
def traced() -> kvcalc.Traced:
    return kvcalc.trace(EXAONE, TRACE, memory=2**40, prefill_rate=8_000, decode_rate=40)


@cache
def replayed() -> kvcalc.Replays:
    return kvcalc.replay(EXAONE, "tests/oracles/traces/replay/tree_small.jsonl", blocks=500)


def sheet() -> kvcalc.Workbook:
    with TemporaryDirectory() as folder:
        return kvcalc.sheet("qwen3-8b", csv=Path(folder) / "sheets", among=["vllm"])


def page() -> kvcalc.PagePlan:
    with TemporaryDirectory() as folder:
        return kvcalc.page("qwen3-8b", Path(folder) / "plan.html", engine="vllm")


RECORDS: dict[str, Callable[[], Any]] = {
    "Cost": lambda: kvcalc.cost(EXAONE, "vllm", kv_cache_dtype_skip_layers=(0,)),
    "Pool": lambda: kvcalc.pool(EXAONE, "vllm", memory=50 * 2**30),
    "Estimate": lambda: kvcalc.estimate(EXAONE, engine="sglang"),
    "SweepRow": lambda: kvcalc.sweep(EXAONE)[0],
    "Compared": lambda: kvcalc.compare(EXAONE)[0],
    "Diff": lambda: kvcalc.diff(EXAONE, "vllm@0.25.1", "vllm"),
    "Side": lambda: kvcalc.diff(EXAONE, "vllm", "mlx").old,
    "Cause": lambda: kvcalc.diff(EXAONE, "vllm@0.25.1", "vllm").causes[0],
    "Explanation": lambda: kvcalc.explain(EXAONE, engine="vllm"),
    "Fit": lambda: kvcalc.fit(EXAONE, gpu="h200"),
    "Plot": lambda: kvcalc.plot(EXAONE, points=3),
    "Curve": lambda: kvcalc.plot(EXAONE, points=3).curves[0],
    "Chart": lambda: kvcalc.plot(EXAONE, points=3).plot(),
    "GpuRow": lambda: kvcalc.gpus()[0],
    "ModelRow": lambda: kvcalc.models()[0],
    "EngineRow": lambda: kvcalc.list_engines()[0],
    "DescribedEngine": lambda: kvcalc.describe_engine("vllm"),
    "Shown": lambda: kvcalc.show("qwen3-8b"),
    "Written": lambda: kvcalc.write_formula(EXAONE, "excel"),
    "Checked": lambda: kvcalc.check(BytesIO(b"GPU KV cache size: 16 tokens"))[0],
    "FilledRow": lambda: kvcalc.fill("tests/oracles/plan.csv")[0],
    "Reading": lambda: kvcalc.read("k-exaone-236b-a23b"),
    "Workbook": sheet,
    "PagePlan": page,
    "ReplayRow": lambda: replayed().rows[0],
    "ReplayedRequest": lambda: replayed().each[0],
    "Replays": replayed,
    "TraceRow": lambda: traced().rows[0],
    "Traced": traced,
}
"""How to come by one of each kind of record that a public function returns."""


@each("name", RECORDS)
def test_every_record_is_frozen_and_unfolds_to_its_fields(name: str) -> None:
    record = RECORDS[name]()
    assert type(record) is getattr(kvcalc, name)
    assert is_dataclass(record)
    assert not isinstance(record, type)
    unfolded = asdict(record)
    assert list(unfolded) == [field.name for field in fields(record)]
    with pytest.raises(FrozenInstanceError):
        setattr(record, next(iter(unfolded)), None)


MADE: list[Callable[[kvcalc.Model, str], object]] = [
    kvcalc.cost,
    lambda model, engine: kvcalc.pool(model, engine, memory=2**37),
    lambda model, engine: kvcalc.fit(model, gpu="h200", gpus=8, engine=engine, weights=10**11),
]


@each("name", names())
def test_a_preset_and_what_every_engine_makes_of_it_are_short_to_print(name: str) -> None:
    read = kvcalc.load(name)
    for shown in (repr(read), str(read)):
        assert repr(read.name)[1:-1] in shown
        assert len(shown) <= MOST
    for engine in ENGINES:
        for make in MADE:
            try:
                found = make(read, engine)
            except kvcalc.KvcalcError:
                continue
            assert len(repr(found)) <= MOST


BEING_READ = {"Asked", "Beside", "Launch", "Wanted"}
"""What a command line comes to, gathered flag by flag."""


def test_every_dataclass_is_frozen_but_a_commands_options_and_what_is_being_read() -> None:
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.walk_packages(kvcalc.__path__, "kvcalc.")
        if not module.name.startswith(("kvcalc.cli", "kvcalc.__main__"))
    ]
    mutable = {
        one.__name__
        for module in modules
        for one in vars(module).values()
        if isinstance(one, type)
        and is_dataclass(one)
        and one.__module__.startswith("kvcalc.")
        and not one.__module__.startswith("kvcalc.cli")
        and not issubclass(one, Record)
        and not one.__dataclass_params__.frozen  # type: ignore[attr-defined]
    }
    assert mutable == BEING_READ


@each("name", ["Cost", "Pool", "Estimate", "Explanation", "Fit"])
def test_an_answer_is_a_key_of_a_dictionary(name: str) -> None:
    assert {RECORDS[name](): 1}[RECORDS[name]()] == 1


def test_an_explanation_is_short_to_print() -> None:
    assert len(repr(RECORDS["Explanation"]())) <= MOST


def test_the_figures_of_a_log_are_a_table_in_a_notebook() -> None:
    found = kvcalc.check(BytesIO(b"GPU KV cache size: 16 tokens"))
    assert isinstance(found, kvcalc.Records)
    assert found._repr_html_().startswith("<table>")


def test_a_model_that_was_read_may_stand_in_a_file_of_several(tmp_path: Path) -> None:
    """Its weights are its shape's: it names no files."""
    own = model(full(), name="mine", parameters=1_000, max_context=8192)
    book = kvcalc.sheet([own, "qwen3-8b", own], csv=tmp_path / "sheets")
    assert [one.name for one in book.models] == ["mine", "Qwen3-8B"]
    assert book.models[0].weights_bytes == 2_000
    assert kvcalc.page(own, tmp_path / "plan.html", engine="vllm").models[0].name == "mine"


def test_a_model_of_long_names_and_many_layers_is_short_to_print() -> None:
    windows = (sliding(window) for window in range(1, 600))
    odd = model(*windows, full(), name="\\'" * 100, max_context=2**40)
    assert len(repr(odd)) <= MOST
    assert len(repr(kvcalc.Model(name="'" * 200, layers=(full(),)))) <= MOST


HOSTILE = "<script>alert('x')</script>&"


@pytest.mark.parametrize(
    ("shown", "cells"),
    [
        (model(sliding(), full(), name=HOSTILE), ["sliding_attention", "window 128"]),
        (kvcalc.cost(model(name=HOSTILE), kv_cache_dtype="fp8"), ["fp8", "2048*context*sequences"]),
        (kvcalc.pool(model(name=HOSTILE), memory=2**30, context=8192), ["8,192", "num_gpu_blocks"]),
        (
            kvcalc.fit(model(name=HOSTILE), gpu="h200", context=8192, weights=65_000_000_000),
            ["65,000,000,000", "cache memory"],
        ),
    ],
    ids=["Model", "Cost", "Pool", "Fit"],
)
def test_a_notebook_shows_a_table_in_which_no_text_is_markup(shown: Any, cells: list[str]) -> None:
    table = shown._repr_html_()
    assert table.startswith("<table>")
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&amp;" in table
    assert "<script" not in table
    for cell in cells:
        assert cell in table
    # Well-formed: every tag that opens is closed again.
    assert ElementTree.fromstring(table).tag == "table"


class Pair(Record):
    """A record of two, of which one has a default."""

    one: int
    two: tuple[int, ...] = ()


class Triple(Pair):
    """A record of a record's attributes and one more."""

    three: int = 3


def test_a_record_is_made_compared_hashed_and_printed_as_a_frozen_dataclass() -> None:
    made = Pair(1, two=(2,))
    assert made == Pair(one=1, two=(2,)) == replace(Pair(1), two=(2,))
    assert {made: 1}[Pair(1, (2,))] == 1
    assert made != Pair(1)
    assert made != Triple(1, (2,))
    assert repr(Triple(1)) == "Triple(one=1, two=(), three=3)"
    assert pickle.loads(pickle.dumps(made)) == copy.copy(made) == made


@pytest.mark.parametrize(
    ("values", "given", "said"),
    [
        ((), {}, "Pair lacks one"),
        ((1, (), 3), {}, "Pair takes 2 values, found 3"),
        ((1,), {"one": 1}, "Pair is given one twice"),
        ((1,), {"four": 1}, "Pair has no four"),
    ],
)
def test_a_record_is_not_made_of_other_values(
    values: tuple[Any, ...], given: dict[str, Any], said: str
) -> None:
    with pytest.raises(TypeError, match=said):
        Pair(*values, **given)


def test_a_records_attribute_is_not_deleted() -> None:
    with pytest.raises(FrozenInstanceError):
        del Pair(1).one
