"""Curves: exact at every point, and where each meets the memory that it has."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from tests.charts.pictures import drawn, plain, rows, said
from tests.each import each
from tests.shapes import full, model, sliding

EXAONE = kvcalc.load("k-exaone-236b-a23b")
LLAMA = kvcalc.load("llama-3.1-8b")
GPT = kvcalc.load("gpt-oss-20b")
WHICH = ["ideal", "vllm", "sglang", "llama.cpp", "transformers"]


@given(
    st.sampled_from([EXAONE, LLAMA, GPT, kvcalc.load("deepseek-v4-flash")]),
    st.sampled_from(WHICH),
    st.integers(1, 2**20),
    st.integers(1, 2**20),
    st.integers(1, 9),
    st.integers(2, 40),
    st.booleans(),
)
def test_every_point_is_the_cost(
    of: kvcalc.Model, engine: str, low: int, high: int, n: int, points: int, linear: bool
) -> None:
    try:
        cost = kvcalc.cost(of, engine)
    except kvcalc.KvcalcError:
        return
    asked: dict[str, Any] = {"sequences": n, "engine": engine, "window": of.window}
    (curve,) = kvcalc.plot(of, context=[low, high], points=points, linear=linear, **asked).curves
    assert (curve.contexts[0], curve.contexts[-1]) == (
        (min(low, high), max(low, high)) if low != high else (min(1024, high), high)
    )
    assert list(curve.bytes) == [cost(tokens, sequences=n) for tokens in curve.contexts]


def test_a_curve_ends_at_its_models_maximum_and_windows_are_on_it() -> None:
    found = kvcalc.plot([EXAONE, GPT], engine="vllm")
    ends = {curve.model: curve.contexts[-1] for curve in found.curves}
    assert ends == {"K-EXAONE-236B-A23B": 262_144, "gpt-oss-20b": 131_072}
    assert {4096, 8192} <= {*found.curves[0].contexts}
    assert [curve.labels for curve in found.curves] == [
        ("K-EXAONE-236B-A23B", "window 4,096"),
        ("K-EXAONE-236B-A23B", "window 128"),
        ("gpt-oss-20b", "window 128"),
    ]
    assert found.title == "KV cache of 2 models on vllm 0.33.0, 1 sequence, bfloat16"
    assert found.saved == ((0, 1),)


@pytest.mark.parametrize("engine", ["ideal", "vllm", "sglang", "lmdeploy"])
@pytest.mark.parametrize(("gpu", "gpus", "sequences"), [("h100", 1, 5), ("rtx-4090", 2, 3)])
@pytest.mark.filterwarnings("ignore:no log has tested")
def test_a_curve_ends_where_fit_says(engine: str, gpu: str, gpus: int, sequences: int) -> None:
    asked: dict[str, Any] = {"gpu": gpu, "gpus": gpus, "sequences": sequences, "engine": engine}
    (curve,) = kvcalc.plot(LLAMA, **asked).curves
    fit = kvcalc.fit(LLAMA, **asked)
    assert curve.ends == fit.max_context
    assert curve.copies == fit.replicas
    assert curve.budget is not None
    assert curve.ends in curve.contexts
    at = curve.contexts.index(curve.ends)
    assert curve.bytes[at] <= curve.budget
    share = -(-sequences // fit.replicas)
    cost = kvcalc.cost(LLAMA, engine, tensor_parallel_size=fit.tensor_parallel_size)
    assert curve.bytes[at] == cost.per_gpu(curve.ends, sequences=share)


def test_what_varies_is_said_and_what_is_refused_is_left_out() -> None:
    with pytest.warns(kvcalc.RefusedWarning, match="K-EXAONE-236B-A23B on lmdeploy: "):
        found = kvcalc.plot(EXAONE, engine=["vllm@0.25.1", "vllm", "lmdeploy"], window=128)
    assert [curve.label for curve in found.curves] == ["vllm 0.25.1", "vllm 0.33.0"]
    found = kvcalc.plot(LLAMA, tensor_parallel_size=[1, 8], sequences=[1, 16], points=2)
    assert [curve.labels for curve in found.curves] == [
        ("1 ranks", "1 sequence"),
        ("1 ranks", "16 sequences"),
        ("8 ranks", "1 sequence"),
        ("8 ranks", "16 sequences"),
    ]
    assert found.measure == "KV cache on the fullest GPU"
    assert found.curves[0].bytes[-1] == 8 * found.curves[2].bytes[-1]


@each(
    ("given", "sentence"),
    [
        ({"gpus": 2}, "gpus: found without a gpu"),
        ({"reserve": 0}, "reserve: found without a gpu"),
        ({"points": 1}, "points: found 1, expected 2 to 2,000"),
        ({"context": []}, "context: found an empty list, expected at least one"),
        ({"context": [0, 5]}, "context: found 0, expected a positive int below 2^53"),
        ({"gpu": "h200", "gpus": 0}, "gpus: found 0, expected at least 1"),
        ({"sequences": [*range(1, 26)]}, "plot: found 25 curves, expected up to 24"),
        ({"window": 64}, "window: Llama-3.1-8B has no sliding"),
        ({"colour": 1}, "ideal has no setting 'colour'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(given: dict[str, object], sentence: str) -> None:
    with pytest.raises(kvcalc.KvcalcError, match=f"^{re.escape(sentence)}"):
        kvcalc.plot(LLAMA, **given)  # type: ignore[arg-type]


def test_a_picture_has_points_of_its_curves_and_all_that_can_be_seen() -> None:
    found = kvcalc.plot(EXAONE, engine=["ideal", "vllm", "sglang"])
    spec = found.plot().spec()
    assert plain(spec)
    for curve in found.curves:
        exact = dict(zip(curve.contexts, curve.bytes, strict=True))
        own = [row for row in rows(spec, "line") if (row["first"], row["rest"]) == curve.labels]
        drawn = {row["context"]: row["bytes"] for row in own}
        assert drawn.items() <= exact.items()
        assert [*drawn] == sorted(drawn)
        assert {curve.contexts[0], curve.contexts[-1]} <= {*drawn}
        marked = [row for row in rows(spec, "point") if (row["first"], row["rest"]) == curve.labels]
        assert [row["context"] for row in marked] == [2**power for power in range(10, 19)]
        assert all(exact[row["context"]] == row["bytes"] for row in marked)
    upper, lower = (
        dict(zip(curve.contexts, curve.bytes, strict=True)) for curve in found.curves[:2]
    )
    shaded = [row for row in rows(spec, "area") if row["first"] == "ideal"]
    assert all(upper[row["context"]] == row["bytes"] for row in shaded)
    assert all(lower[row["context"]] == row["low"] for row in shaded)


def test_what_a_window_saves_and_where_memory_ends_is_said_once() -> None:
    found = kvcalc.plot(EXAONE, engine=["ideal", "vllm", "sglang"])
    assert said(found.plot().spec()) == [
        "sglang 0.5.23: saves 0.0 %",
        "vllm 0.33.0: saves 3.7 %, 14.5 % at 20.2K",
        "ideal: saves 4.3 %, 72.7 % at 4K",
    ]
    found = kvcalc.plot(LLAMA, engine=["vllm", "sglang"], gpu="rtx-4090", sequences=[1, 4])
    assert sorted(said(found.plot().spec())) == [
        "3.84 GiB, for the cache of 1 rtx-4090, vllm 0.33.0",
        "558.18 MiB, for the cache of 1 rtx-4090, sglang 0.5.23",
        "sglang 0.5.23: 1 sequence ends at 4.3K",
        "sglang 0.5.23: 4 sequences end at 1K",
        "vllm 0.33.0: 1 sequence ends at 30.6K",
        "vllm 0.33.0: 4 sequences end at 7.6K",
    ]
    rings = {
        (row["first"], row["context"])
        for row in rows(found.plot().spec(), "rule")
        if "first" in row
    }
    assert rings == {(curve.labels[0], curve.ends) for curve in found.curves}


def test_a_model_that_does_not_fit_is_drawn_without_a_budget() -> None:
    found = kvcalc.plot(EXAONE, engine="sglang", gpu="h100", window=128)
    assert (found.curves[0].budget, found.curves[0].ends) == (0, 0)
    assert said(found.plot().spec()) == ["1 sequence does not fit"]


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("dark", [True, False])
def test_a_picture_is_drawn(linear: bool, dark: bool, tmp_path: Path) -> None:
    found = kvcalc.plot(EXAONE, engine=["ideal", "vllm"], gpu="h200", gpus=4, linear=linear)
    texts = drawn(found.plot(), tmp_path, dark=dark)
    assert {found.title, "vllm 0.33.0", "window 128", "8K" if not linear else "32K"} <= {*texts}
    assert any("GiB" in text for text in texts)
    assert not any("undefined" in text or "NaN" in text for text in texts)


HOSTILE = "<script>alert('x')</script>&\"]} 'datum"


def test_nothing_of_a_models_name_is_markup_or_code(tmp_path: Path) -> None:
    odd = model(sliding(), full(), name=HOSTILE, max_context=4096)
    found = kvcalc.plot([odd, LLAMA], engine=["ideal", "vllm"])
    texts = drawn(found.plot(), tmp_path)
    assert HOSTILE in texts
    assert "<script" not in (tmp_path / "picture.svg").read_text()


def test_more_bytes_than_a_double_holds_are_not_drawn() -> None:
    found = kvcalc.plot(LLAMA, context=2**40, points=2)
    assert found.curves[0].bytes[-1] == 2**40 * 131_072
    with pytest.raises(kvcalc.RequestError, match=r"past 2\^53, which no chart holds exactly"):
        found.plot()


def test_a_notebook_draws_it_and_a_file_has_it(tmp_path: Path) -> None:
    found = kvcalc.plot(EXAONE, points=5)
    bundle = found._repr_mimebundle_()
    assert bundle["application/vnd.vegalite.v5+json"] == found.plot().spec()
    assert bundle["text/plain"] == repr(found.plot())
    starts = {
        ".vl.json": b'{"$schema":"https://vega.github.io/',
        ".svg": b"<svg",
        ".png": b"\x89PNG",
    }
    for ending, start in starts.items():
        found.save(tmp_path / f"a{ending.upper()}")
        assert (tmp_path / f"a{ending.upper()}").read_bytes().startswith(start)
    with pytest.raises(kvcalc.RequestError, match=r"output: found 'a\.pdf', expected a name that"):
        found.save(tmp_path / "a.pdf")
