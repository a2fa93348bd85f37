"""Pictures of fits, comparisons, traces and replays: their data are the answers' own."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from kvcalc.answers.fit.drawn import grid_chart
from kvcalc.charts.parts import LINE, apart
from tests.charts.pictures import drawn, plain, rows, said
from tests.conftest import Cli
from tests.shapes import full, model, sliding

EXAONE = kvcalc.load("k-exaone-236b-a23b")
LLAMA = kvcalc.load("llama-3.1-8b")
TRACES = Path(__file__).parents[1] / "oracles" / "traces"
TREE = TRACES / "replay" / "tree_small.jsonl"
RATES: dict[str, Any] = {"prefill_rate": 8_000, "decode_rate": 40}


@given(st.lists(st.integers(0, 400), max_size=20))
def test_no_text_covers_another_and_all_are_above_the_bottom(pixels: list[int]) -> None:
    placed = [row["pixel"] for row in apart([{"pixel": pixel} for pixel in pixels], 400)]
    assert len(placed) == len(pixels)
    assert all(low - high >= LINE for high, low in pairwise(placed))
    assert max(placed, default=0) <= 400


def test_a_comparison_is_what_attention_needs_and_what_engines_add(tmp_path: Path) -> None:
    compared = kvcalc.compare(EXAONE)
    spec = compared.plot().spec()
    assert plain(spec)
    stacked: dict[str, dict[str, int]] = {}
    for row in rows(spec, "bar"):
        stacked.setdefault(row["bar"], {})[row["part"]] = row["end"] - row["start"]
    assert stacked["vllm 0.33.0"] == {
        "what attention needs": 12_903_776_256,
        "what the engine adds": 15_322_054_656 - 12_903_776_256,
    }
    answered = [row for row in compared if row.bytes is not None]
    assert [sum(parts.values()) for parts in stacked.values()] == [row.bytes for row in answered]
    texts = {row["bar"]: " ".join(row["said"]) for row in rows(spec, "text")}
    assert texts["sglang 0.5.23"] == (
        "51,539,607,552 (48.00 GiB), 3.994 x ideal "
        "no window pool for this architecture: all 48 layers are stored in full"
    )
    assert texts["exllamav3 1.6.5"].startswith("cannot: exllamav3 has no architecture for")
    assert {"what the engine adds", "mlx 0.32.2"} <= {*drawn(compared.plot(), tmp_path)}


def test_a_comparison_of_windows_or_without_ideal_is_drawn() -> None:
    spec = kvcalc.compare(EXAONE, window=[4096, 128], among=["vllm"]).plot().spec()
    assert {row["bar"] for row in rows(spec, "bar")} == {
        "vllm 0.33.0, window 4,096",
        "vllm 0.33.0, window 128",
    }
    odd = kvcalc.compare(LLAMA, among=["vllm"], kv_cache_dtype="fp8").plot().spec()
    assert {row["part"] for row in rows(odd, "bar")} == {
        "what attention needs",
        "what the engine adds",
    }


def test_a_fit_is_the_memory_of_a_gpu_by_its_parts(tmp_path: Path) -> None:
    fit = kvcalc.fit(EXAONE, gpu="h200", gpus=4, engine="vllm", context=262_144)
    spec = fit.plot().spec()
    bars = {row["bar"]: row["end"] for row in rows(spec, "bar")}
    assert bars == {
        **{part.name: part.bytes for part in fit.parts},
        "cache memory": fit.cache_memory_per_gpu,
        "a sequence": fit.bytes_per_gpu_per_sequence,
    }
    bands = {row["bar"]: (row["start"], row["end"]) for row in rows(spec, "rule")}
    estimated = {part.name: (part.low, part.high) for part in fit.parts if part.low != part.high}
    assert bands == {
        **estimated,
        "cache memory": (fit.promised_cache_memory_per_gpu, fit.cache_memory_per_gpu),
    }
    assert "10.91 GiB, promised 7.99 GiB" in drawn(fit.plot(), tmp_path)


def test_a_grid_has_a_place_for_each_question(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "grid.vl.json"
    asked = ("fit", "llama-3.1-8b", "k-exaone-236b-a23b", "--gpu", "h100,h200", "--gpus", "1,2")
    cells = json.loads(cli(*asked, "-c", "8K,32K", "--json").out)
    assert cli(*asked, "-c", "8K,32K", "-o", str(path)).out == ""
    grids = json.loads(path.read_text())["vconcat"]
    assert [grid["title"]["text"] for grid in grids] == ["Llama-3.1-8B", "K-EXAONE-236B-A23B"]
    found = [row for grid in grids for row in grid["data"]["values"]]
    assert [(row["column"], row["row"], row["count"]) for row in found] == [
        (f"{cell['gpus']} {cell['gpu']}", f"{cell['context'] // 1024}K", cell["promised_sequences"])
        for cell in cells
    ]


def test_a_place_that_is_refused_is_crossed_out(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "grid.svg"
    asked = ("fit", "llama-3.1-8b", "--gpu", "h100", "--gpus", "2,3", "--tp", "2", "-c", "8K")
    assert cli(*asked, "-o", str(path), "--dark").code == 0
    assert "✕" in path.read_text()
    one = kvcalc.fit(LLAMA, gpu="h100", context=8192)
    assert "vconcat" not in grid_chart([one]).spec()


@pytest.mark.parametrize("engine", ["ideal", "vllm"])
def test_a_history_has_the_peak_and_the_levels_of_its_trace(engine: str, tmp_path: Path) -> None:
    traced = kvcalc.trace(EXAONE, TRACES / "azure_code.csv", engine=engine, memory=2**35, **RATES)
    spec = traced.plot().spec()
    assert plain(spec)
    columns = traced.timeline().columns
    levels = dict(zip(columns, zip(*traced.timeline().fetchall(), strict=True), strict=True))
    for place, row in enumerate(traced.rows):
        label = f"{row.engine} {row.engine_version}, {row.rule}".replace(" -,", ",")
        own = [one for one in rows(spec, "line") if one["history"] == label]
        assert max(one["bytes"] for one in own) == row.peak_bytes
        at = max(own, key=lambda one: one["bytes"])["time"] * 60 * 10**6
        width = (levels["t"][-1] - levels["t"][0]) // 600
        assert abs(at - row.peak_at) <= width
        level = levels[columns[2 + place]]
        once = row.peak_bytes - max(level)  # what the engine allocates, whatever is held
        assert {one["bytes"] - once for one in own} <= {*level, 0}
    assert {"memory 32.00 GiB"} < {*said(spec)}
    assert any(text.startswith("peak of ") for text in drawn(traced.plot(), tmp_path))


def test_a_level_lasts_until_the_next() -> None:
    from kvcalc.answers.traces.drawn import _steps

    # Ten in the first moment, of which three stay; then nothing changes until the fifth.
    assert _steps([(0, 10, 3), (4, 8, 0), (5, 0, 0)], 1) == ([0, 1, 4, 5], [10, 3, 8, 0])


def test_a_pool_has_no_history() -> None:
    traced = kvcalc.trace(EXAONE, TRACES / "azure_code.csv", engine="llama.cpp", **RATES)
    with pytest.raises(kvcalc.RequestError, match="plot: a pool has no level over time"):
        traced.plot()


def test_a_replay_is_its_hits_with_their_knee(tmp_path: Path) -> None:
    sizes = [10, 100, 400, 1600, 6400]
    found = kvcalc.replay(LLAMA, TREE, blocks=sizes, best=True)
    spec = found.plot().spec()
    shares = [(row["size"], row["share"]) for row in rows(spec, "line")]
    exact = [(row.memory, row.hit_tokens / row.prompt_tokens) for row in found.rows]
    best = [(row.memory, (row.best_hit_tokens or 0) / row.prompt_tokens) for row in found.rows]
    assert shares == best + exact
    (knee,) = [row for row in found.rows if row.knee]
    assert [row["size"] for row in rows(spec, "point")] == [knee.memory]
    assert {"the best policy of eviction"} < {*said(spec)}
    assert any(text.startswith("knee: ") for text in drawn(found.plot(), tmp_path))
    endless = kvcalc.replay(LLAMA, TREE)
    with pytest.raises(kvcalc.RequestError, match="a cache that is never full has no size"):
        endless.plot()


def test_a_cost_and_a_sweep_are_drawn() -> None:
    cost = kvcalc.cost(EXAONE, "vllm")
    for row in rows(cost.plot(sequences=3).spec(), "line"):
        assert row["bytes"] == cost(row["context"], sequences=3)
    swept = kvcalc.sweep(EXAONE, engine=["ideal", "vllm"])
    spec = swept.plot().spec()
    exact = {(row.engine, row.window, row.context): row.bytes for row in swept}
    assert {row["bytes"] for row in rows(spec, "line")} <= {*exact.values()}
    assert {row["context"] for row in rows(spec, "line")} == {row.context for row in swept}
    assert len(said(spec)) == 2


def test_answers_without_a_picture_say_so() -> None:
    for answers, found in ((kvcalc.gpus(), "GpuRow"), (kvcalc.Records(), "no answers")):
        with pytest.raises(kvcalc.RequestError, match=f"plot: found {found}, which has no picture"):
            answers.plot()


HOSTILE = "<script>alert('x')</script>&"


def test_nothing_of_a_name_is_markup_in_any_picture(tmp_path: Path) -> None:
    odd = model(sliding(), full(), name=HOSTILE, max_context=4096)
    pictures: list[Any] = [
        kvcalc.compare(odd),
        kvcalc.cost(odd),
        kvcalc.fit(odd, gpu="h200", weights=10**9),
        kvcalc.sweep(odd),
        kvcalc.trace(odd, TRACES / "azure_code.csv", **RATES),
        kvcalc.replay(odd, TREE, blocks=[100, 200]),
    ]
    for picture in pictures:
        assert any(HOSTILE in text for text in drawn(picture.plot(), tmp_path))
        assert "<script" not in (tmp_path / "picture.svg").read_text()
