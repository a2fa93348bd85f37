"""What MLX-LM's cache objects held, as measured, to the byte: every case; and what it refuses."""

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import kvcalc
from kvcalc.engines.mlx import models
from kvcalc.engines.mlx.prefill import AfterSingles, CallEnd, after_prompt
from kvcalc.formula.expression import Value
from kvcalc.formula.formula import Formula
from kvcalc.layers.attention import FullAttention
from kvcalc.layers.composed import Combined
from kvcalc.layers.latent import LatentAttention
from kvcalc.layers.recurrent import Mamba, Mamba2
from kvcalc.model import Model
from tests.shapes import DEEPSEEK_ROW, HEADS, chunked, full, latent, model, sliding

ORACLES = Path(__file__).parents[1] / "oracles"
CONFIGS = ORACLES / "configs"
CASES = json.loads((ORACLES / "mlx.json").read_text())["cases"]
K_EXAONE = "LGAI-EXAONE--K-EXAONE-236B-A23B"


@cache
def load(name: str) -> Model:
    """Read a case's model; K-EXAONE was measured at two windows."""
    if name.startswith("k-exaone-w"):
        return load(K_EXAONE).with_window(int(name.removeprefix("k-exaone-w")))
    return kvcalc.load(str(CONFIGS / f"{name}.json"))


def cost(of: Model, **settings: Any) -> kvcalc.Cost:
    return kvcalc.cost(of, engine="mlx", **settings)


def asked(case: Any) -> kvcalc.Cost:
    names = ("prefill_step_size", "generated_tokens", "kv_bits", "kv_group_size")
    given = {name: case[name] for name in (*names, "quantized_kv_start") if case[name] is not None}
    return cost(load(case["model"]), kv_cache_dtype=case["dtype"], **given)


def tokens(case: Any) -> int:
    prompt, generated = case["prompt_tokens"], case["generated_tokens"]
    assert isinstance(prompt, int)
    assert isinstance(generated, int)
    return prompt + generated


def named(case: Any) -> str:
    bits = f"-{case['kv_bits']}bits" if case["kv_bits"] else ""
    step = case["prefill_step_size"]
    return f"{case['model']}-{case['prompt_tokens']}+{case['generated_tokens']}-{step}{bits}"


@pytest.mark.parametrize("case", [case for case in CASES if "bytes" in case], ids=named)
def test_a_case_holds_what_was_measured(case: Any) -> None:
    held = asked(case)
    assert (held(tokens(case)), held.peak(tokens(case))) == (
        case["bytes"],
        case["peak_bytes_at_call_ends"],
    )


@pytest.mark.parametrize("case", [case for case in CASES if "error" in case], ids=named)
def test_a_case_that_crashed_is_refused(case: Any) -> None:
    because = "window" if "Rotating" in case["error"] else "latent rows"
    with pytest.raises(kvcalc.KvcalcError, match=f"^kv_bits: .*{because}"):
        asked(case)


def shape(layer: Any) -> list[Any]:
    """Say of a layer what the cases say of the engine's cache objects."""
    if isinstance(layer, Combined):
        return [part for each in layer.caches for part in shape(each)]
    if isinstance(layer, LatentAttention):
        row = ("full", 1, layer.kv_lora_rank, layer.qk_rope_head_dim, None)
        size = layer.index_head_dim
        return [row] if size is None else [row, ("full", 1, size, size, None)]
    if layer.kind in ("full_attention", "sliding_attention"):
        window = layer.windows[0] if layer.windows else None
        kind = "rot" if layer.windows else "full"
        own = (kind, layer.kv_heads, layer.head_dim, layer.value_dim, window)
        index = getattr(layer, "index_head_dim", None)
        return [own] if index is None else [own, ("full", 1, index, 0, None)]
    return [] if layer.kind == "no_cache" else [("fixed",)]


@pytest.mark.parametrize("name", sorted({case["model"] for case in CASES}))
def test_our_reader_finds_the_layers_that_were_measured(name: str) -> None:
    case = next(case for case in CASES if case["model"] == name and "layers" in case)
    measured: Counter[Any] = Counter()
    for layer in case["layers"]:
        key: Any = ("fixed",)
        if layer["kind"] != "fixed":
            key = (layer["kind"], layer["heads"], *layer["dims"], layer.get("window"))
        measured[key] += layer["count"]
    ours: Counter[Any] = Counter()
    for layer, count in load(name).groups:
        for key in shape(layer):
            ours[key] += count
    assert ours == measured


@pytest.mark.parametrize(
    ("window", "held", "peak"),
    [
        # All of the prompt but a token is 262,142: 127 calls of 2,048 and one of 2,046, which finds
        # the window less one token in the sliding layers. 4,096 bytes a token and layer.
        (128, 12_903_776_256, 12 * 262_144 * 4096 + 36 * (127 + 2046) * 4096),
        (4096, 13_488_881_664, 12 * 262_144 * 4096 + 36 * (4095 + 2046) * 4096),
    ],
)
def test_k_exaones_window_is_held_and_more_while_the_prompt_is_read(
    window: int, held: int, peak: int
) -> None:
    k_exaone = cost(load(K_EXAONE))
    assert k_exaone(262_144, window=window) == held
    assert k_exaone.peak(262_144, window=window) == peak
    assert "2,047 tokens on top of the window" in k_exaone.why


def test_k_exaones_peak_is_13_2_gb() -> None:
    assert cost(load(K_EXAONE)).peak(262_144) == 13_205_323_776


def test_a_sequence_has_its_own_caches() -> None:
    k_exaone = cost(load(K_EXAONE))
    assert k_exaone(9000, sequences=3) == 3 * k_exaone.per_request(9000)
    assert k_exaone.peak(9000, sequences=3) == 3 * k_exaone.peak(9000)
    assert k_exaone.fixed == 0


def test_more_tokens_generated_than_the_context_has_leave_a_prompt_of_one() -> None:
    many = cost(model(full(), sliding(window=128)), generated_tokens=10**6)
    for context in (1, 2, 255, 257, 5000):
        alone = cost(model(full(), sliding(window=128)), generated_tokens=context - 1)
        assert many(context) == alone(context)
        assert many.peak(context) == alone.peak(context)


def replayed(calls: list[int], window: int, chunk: int) -> Iterator[tuple[int, int, int]]:
    """Follow the classes call by call, by the page's step rules: full, sliding, chunked."""
    offset = full_room = rotating = chunk_room = first = 0
    for size in calls:
        if offset + size > full_room:
            full_room = (offset if offset % 256 else full_room) + -(-size // 256) * 256
        if size > 1:
            rotating = size if not rotating else min(rotating, window - 1) + size
        else:
            if not rotating or (offset >= rotating and rotating < window):
                rotating += min(256, window - offset)
            rotating = min(rotating, window)
        if offset - first > chunk:
            first, chunk_room = offset - chunk, chunk
        inside = offset - first
        if inside + size > chunk_room:
            chunk_room = (inside if inside % 256 else chunk_room) + -(-size // 256) * 256
        offset += size
        yield full_room, rotating, chunk_room


STEPS = st.sampled_from([1, 16, 128, 256, 512, 2048]) | st.integers(128, 2500)


@given(
    step=STEPS,
    prompt=st.integers(1, 9000),
    generated=st.integers(0, 600),
    window=st.integers(1, 3000),
    chunk=st.sampled_from([256, 1024, 8192]) | st.integers(1, 3000),
)
@example(step=128, prompt=130, generated=0, window=3000, chunk=256)  # a rest of one token
@example(step=128, prompt=131, generated=0, window=3000, chunk=256)  # of two
def test_the_closed_forms_hold_what_the_calls_leave(
    step: int, prompt: int, generated: int, window: int, chunk: int
) -> None:
    whole, rest = divmod(prompt - 1, step)
    calls = [step] * whole + [rest] * (rest > 0) + [1] * (generated + 1)
    history = list(replayed(calls, window, chunk))
    read = after_prompt(step, generated + 1)
    last = AfterSingles(read, prompt + generated)
    moments: list[CallEnd] = [last, read.steps, read]

    def number(value: Value) -> int:
        return Formula(value, {})(prompt + generated)

    assert (
        number(last.full()),
        number(last.sliding(window)),
        number(last.chunked(chunk)),
    ) == history[-1]
    peak = max(full_room + rotating for full_room, rotating, _ in history)
    assert peak == max(number(each.full()) + number(each.sliding(window)) for each in moments)


@pytest.mark.parametrize("step", [512, 1000, 1300])
def test_a_chunk_is_dropped_before_a_call(step: int) -> None:
    scout = cost(model(chunked(chunk=1000), full()), prefill_step_size=step)
    for prompt in (999, 1000, 1001, 1025, 3000, 5001):
        whole, rest = divmod(prompt - 1, step)
        calls = [step] * whole + [rest] * (rest > 0) + [1, 1]
        history = [4096 * (whole + part) for whole, _, part in replayed(calls, 1, 1000)]
        assert (scout(prompt + 1), scout.peak(prompt + 1)) == (history[-1], max(history))


def test_packed_elements_have_a_scale_and_a_bias_a_group() -> None:
    eight = cost(model(full()), kv_bits="8", kv_group_size="64")
    row = 8 * 2 * (128 + 2 * 2 * 2)
    assert eight(4999) == 5120 * 4096  # not packed before 5,000 tokens
    assert eight(5000) == 5120 * row
    assert eight.peak(5000) == 5120 * 4096
    assert cost(model(full()), kv_bits=4, quantized_kv_start=0)(256) == 256 * 8 * 2 * (64 + 8)


@given(
    step=st.sampled_from([128, 256, 512, 1000, 1300]),
    start=st.integers(0, 4000),
    prompt=st.integers(1, 6000),
    generated=st.integers(1, 300),
)
@example(step=512, start=600, prompt=3000, generated=1)
def test_at_the_peak_a_call_finds_caches_that_are_not_packed_yet(
    step: int, start: int, prompt: int, generated: int
) -> None:
    """Caches are packed after a call that ends at the start or later (maybe_quantize_kv_cache)."""
    asked = {"prefill_step_size": step, "quantized_kv_start": start, "generated_tokens": generated}
    held = cost(model(full()), kv_bits=4, **asked)
    whole, rest = divmod(prompt - 1, step)
    calls = [step] * whole + [rest] * (rest > 0) + [1] * (generated + 1)
    plain, packed = 4096, 8 * 2 * (64 + 8)
    before, peak = 0, 0
    for size, (room, _, _) in zip(calls, replayed(calls, 1, 1), strict=True):
        peak = max(peak, room * (packed if before >= max(1, start) else plain))
        before += size
    context = prompt + generated
    assert held(context) == room * (packed if context >= max(1, start) else plain)
    assert held.peak(context) == max(peak, held(context))


def test_what_stands_in_a_list_is_not_packed() -> None:
    indexed = model(full(), FullAttention(**HEADS, index_head_dim=128))
    sparse = model(LatentAttention(**DEEPSEEK_ROW, sparse=True, index_head_dim=128))
    for listed in (indexed, sparse):
        assert cost(listed, kv_bits=8)(9000) == cost(listed)(9000)


def test_an_indexers_keys_are_stored_twice_and_on_every_sparse_layer() -> None:
    owner = LatentAttention(**DEEPSEEK_ROW, sparse=True, index_head_dim=128)
    sharer = LatentAttention(**DEEPSEEK_ROW, sparse=True)
    assert cost(model(owner, sharer))(256) == 2 * 256 * 2 * (576 + 2 * 128)


def typed(name: str, *layers: Any) -> Model:
    return Model(name="a model", layers=layers, model_type=name)


@pytest.mark.parametrize("name", ["gemma2", "phi3", "qwen2", "starcoder2", "mistral"])
def test_a_class_that_ignores_the_window_keeps_all(name: str) -> None:
    every = cost(typed(name, sliding(window=128)))
    assert every(9000) == cost(model(full()))(9000)
    assert every.peak_formula is None
    assert "ignores the window" in every.why


def test_a_llama_with_listed_types_keeps_its_windows() -> None:
    listed = (sliding(window=128), full())
    assert cost(typed("mistral", *listed))(9000) == cost(model(*listed))(9000)


def test_only_llama_4_drops_chunks() -> None:
    assert cost(typed("llama4", chunked(chunk=1024)))(9000) == 4096 * (1024 + 256)
    assert cost(typed("llama4_text", chunked(chunk=1024)))(9000) == 4096 * 9216


@pytest.mark.parametrize(
    ("of", "settings", "sentence"),
    [
        (model(), {"tensor_parallel_size": 2}, "tensor_parallel_size: not modelled on mlx"),
        (model(), {"kv_cache_dtype": "fp8"}, "kv_cache_dtype: found fp8, expected one of bfloat16"),
        (model(), {"prefill_step_size": 100}, "found 100, expected a power of 2 or at least 128"),
        (model(), {"prefill_step_size": 0}, "prefill_step_size: found 0"),
        (model(), {"generated_tokens": -1}, "generated_tokens: found -1"),
        (model(), {"kv_bits": 7}, "kv_bits: found 7"),
        (model(), {"kv_group_size": 48}, "kv_group_size: found 48"),
        (model(full(head_dim=80)), {"kv_bits": 8}, "kv_group_size: found 64, .* head dim 80"),
        (model(sliding()), {"kv_bits": 8}, "kv_bits: mlx-lm crashes .* RotatingKVCache"),
        (model(latent()), {"kv_bits": 8}, "kv_bits: mlx-lm crashes .* latent rows"),
        (model(LatentAttention(**DEEPSEEK_ROW, window=8)), {}, "latent_attention layers with a"),
        (model(Mamba(kernel=4, inner=8, state=16)), {}, "mlx does not support mamba layers"),
        (typed("deepseek_v2", latent()), {}, "expands the latent rows of deepseek_v2"),
        (typed("step3p7", full()), {}, "no rule for the model type 'step3p7'"),
        *(
            (typed(kind, full(), *windows), {}, f"window: found {len(windows)} of them")
            for kind in sorted(models.ONE_WINDOW)
            for windows in ((sliding(1), sliding(2)), (sliding(1), sliding(2), sliding(3)))
        ),
        (model(), {"block_size": 16}, "mlx has no setting 'block_size'; it has .*kv_bits"),
    ],
)
def test_what_mlx_cannot_do_is_refused(of: Model, settings: Any, sentence: str) -> None:
    with pytest.raises(kvcalc.KvcalcError, match=sentence):
        cost(of, **settings)


def test_a_state_is_float32_behind_a_convolution_in_the_models_type() -> None:
    layer = Mamba2(kernel=4, heads=64, head_dim=64, groups=8, state=128)
    assert cost(model(layer))(9000) == 2_134_016  # a layer of Nemotron-3-Nano, measured


def test_the_flags_of_its_programs_are_known() -> None:
    from kvcalc.engines import ENGINES, find

    command = find("mlx").server
    assert command is not None
    assert ENGINES["mlx"].programs == ("mlx_lm.server", "mlx_lm.generate")
    assert command.values["--kv-bits"] == "kv_bits"
    assert set(command.values.values()) - {"model", "draft_model", "context", "sequences"} <= set(
        find("mlx").settings.model_fields
    )
    assert command.ignored["--temp"] == 1
    assert not set(command.values) & set(command.ignored)
    assert "--draft-model" not in command.ignored
