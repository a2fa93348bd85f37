"""What llama.cpp prints of its memories, by its own formats, agrees; one step more or less differs.

The formats are those of src/llama-context.cpp, src/llama-kv-cache*.cpp and
src/llama-memory-recurrent.cpp of 2026-10-01.
"""

from collections.abc import Iterator, Mapping
from struct import pack, unpack
from typing import Any

import pytest
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st

from kvcalc.answers.check import AGREES, CANNOT, DIFFERS
from kvcalc.costs import formula
from kvcalc.engines.llama_cpp.cells import cells_of
from kvcalc.engines.llama_cpp.cost import cost
from kvcalc.engines.llama_cpp.layer_rules import LayerRules
from kvcalc.engines.llama_cpp.loading import load as load_model
from kvcalc.engines.llama_cpp.memories import LayerCells, by_memory, total
from kvcalc.engines.llama_cpp.refusals import refuse
from kvcalc.engines.llama_cpp.releases import RELEASES
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.errors import KvcalcError
from kvcalc.formula.expression import Value
from kvcalc.model import Model
from tests.each import each
from tests.engines.log_lines import any_model, checked, load, misprinted, requests
from tests.shapes import full, latent
from tests.shapes import model as shape

REQUESTS = requests(
    "llama.cpp",
    ubatch_size=st.sampled_from([128, 512, 2048]),
    batch_size=st.sampled_from([256, 2048, 4096]),
)

Lines = Iterator[tuple[str, Mapping[str, int]]]
"""Lines, with the figures of each and their decimals."""

ANNOUNCED = {
    "kv": "creating non-SWA KV cache",
    "swa": "creating     SWA KV cache",
    "indexer": "creating indexer KV cache",
}
COMPRESSED = {
    "csa": ("creating DSV4 CSA compressed KV cache", 4),
    "hca": ("creating DSV4 HCA compressed KV cache", 128),
    "indexer": ("creating DSV4 lightning-indexer KV cache", 4),
}
"""DeepSeek V4's caches of compressed rows, each with the tokens of a row."""

Memory = list[tuple[LayerCells, int]]
STATES = {"csa_state": "csa", "hca_state": "hca", "indexer_state": "lid"}


def single(size: int) -> float:
    """MiB of a size in single precision."""
    rounded: float = unpack("<f", pack("<f", size))[0]
    return rounded / 2**20


class Context:
    """A context of llama.cpp with the model's memories."""

    def __init__(
        self, model: Model, asked: Mapping[str, Any], context: int, sequences: int
    ) -> None:
        self.model, self.context, self.sequences = model, context, sequences
        self.settings = LlamaCppSettings(**asked)
        loaded = load_model(model, self.settings)
        refuse(loaded, self.settings)
        rules = LayerRules(loaded, self.settings)
        self.memories = by_memory(
            (one, layers) for layer, layers in loaded.counted for one in rules.of(layer)
        )

    def of(self, value: Value) -> int:
        variables = {"ubatch_size": self.settings.ubatch_size}
        found: int = formula(self.model, value, variables)(self.context, sequences=self.sequences)
        return found

    def size(self, memory: Memory, *tensors: str) -> int:
        """Bytes of a memory's tensors."""
        return self.of(
            total(
                (one._replace(rows=tuple(r for r in one.rows if r.tensor in tensors)), layers)
                for one, layers in memory
            )
        )

    def printed(self) -> Lines:
        """The lines of the start of the context."""
        unified = "true" if self.settings.kv_unified else "false"
        flash = "enabled" if self.settings.own("flash_attn") else "disabled"
        for fact, value in (
            ("n_seq_max", self.sequences),
            ("n_ctx", self.context * self.sequences),
            ("n_ubatch", min(self.settings.ubatch_size, self.settings.batch_size)),
            ("flash_attn", flash),
            ("kv_unified", unified),
            ("n_rs_seq", self.settings.n_rs_seq),
        ):
            yield f"llama_context: {fact:21} = {value}", {}
        if self.settings.own("swa_full"):
            yield "llama_kv_cache_iswa: using full-size SWA cache (ref: https://)", {}
        if "swa" in self.memories and "kv" not in self.memories:
            cells = self.of(cells_of(self.settings, flash_attention=True).full)
            yield f"llama_kv_cache_iswa: {ANNOUNCED['kv']}, size = {cells} cells", {}
        for name, memory in self.memories.items():
            if name == "recurrent":
                yield from self.states(memory)
            elif name in STATES:
                yield from self.compressor(STATES[name], memory)
            else:
                yield from self.cache(name, memory)
        yield from self.table()

    def table(self) -> Lines:
        """What all memories hold, in whole MiB, rounded down."""
        held = self.of(total(one for memory in self.memories.values() for one in memory)) >> 20
        yield "common_memory_breakdown_print: | memory breakdown [MiB] | total   free", {}
        yield (
            f"common_memory_breakdown_print: |   - Host | {held + 3} = 1 + {held:7} +       2  |",
            {"= 1 +@ +": 0},
        )

    def cache(self, name: str, memory: Memory) -> Lines:
        """A cache of cells, which is announced where there are several."""
        (first, _), layers = memory[0], sum(layers for _, layers in memory)
        cells, streams = self.of(first.cells), self.of(first.streams)
        k, v = (self.size(memory, tensor) for tensor in ("K", "V"))
        several = {*self.memories} & {*ANNOUNCED, *COMPRESSED} != {"kv"}
        if several:
            words, size = ANNOUNCED.get(name, ""), cells
            if "csa" in self.memories and name in COMPRESSED:
                # DeepSeek V4's compressed cells are announced before they are padded.
                words, ratio = COMPRESSED[name]
                size = -(-self.of(cells_of(self.settings, flash_attention=True).full) // ratio)
            figure = {f"{words}, size = @ cells": 0} if name == "swa" else {}
            yield f"llama_kv_cache: {words}, size = {size} cells", figure
        yield (
            f"llama_kv_cache: {'CUDA_Host':>10} KV buffer size = {(k + v) / 2**20:8.2f} MiB",
            {"KV buffer size =@ MiB": 2},
        )
        type_k, type_v = self.settings.types
        yield (
            f"llama_kv_cache: size = {single(k + v):7.2f} MiB ({cells:6} cells, "
            f"{layers:3} layers, {self.sequences:2}/{streams} seqs), "
            f"K ({type_k.name}): {single(k):7.2f} MiB, V ({type_v.name}): {single(v):7.2f} MiB",
            {
                "cache: size =@ MiB": 2,
                f"K ({type_k.name}):@ MiB": 2,
                f"V ({type_v.name}):@ MiB": 2,
            },
        )

    def states(self, memory: Memory) -> Lines:
        """Recurrent states: one cell per sequence."""
        r, s = (self.size(memory, tensor) for tensor in ("R", "S"))
        spare = self.of(memory[0][0].cells) - 1
        yield (
            f"llama_memory_recurrent: {'CPU':>10} RS buffer size = {(r + s) / 2**20:8.2f} MiB",
            {"RS buffer size =@ MiB": 2},
        )
        yield (
            f"llama_memory_recurrent: size = {single(r + s):7.2f} MiB ({self.sequences:6} cells, "
            f"{len(self.model.layers):3} layers, {self.sequences:2} seqs {spare:2} rs_seq), "
            f"R (f32): {single(r):7.2f} MiB, S (f32): {single(s):7.2f} MiB, "
            f"P (f32): {0:7.2f} MiB",
            {"size =@ MiB (": 2, "R (f32):@ MiB": 2, "S (f32):@ MiB": 2},
        )

    def compressor(self, name: str, memory: Memory) -> Lines:
        """DeepSeek V4's states of what is being compressed."""
        size = self.size(memory, "kv", "score") / 2**20
        yield (
            f"llama_dsv4_comp_state: {'CPU':>10} DSV4 {name} state buffer size = {size:8.2f} MiB",
            {"state buffer size =@ MiB": 2},
        )
        yield (
            f"llama_dsv4_comp_state: {name} ratio = 4, state = 8 x 1024, streams = "
            f"{self.of(memory[0][0].streams)}, rs_seq = {self.settings.n_rs_seq}, layers = "
            f"{sum(layers for _, layers in memory)}, size = {size:7.2f} MiB",
            {"size =@ MiB": 2},
        )


DEEPSEEK_V4 = load("tests/oracles/configs/deepseek-ai--DeepSeek-V4-Flash.json")


@settings(max_examples=12)
@given(any_model, REQUESTS, st.integers(1, 2**20), st.integers(1, 8))
@example(DEEPSEEK_V4, {}, 8193, 2)
@example(load("qwen3-next-80b-a3b"), {"ctx_type": "mtp", "cache_type_k": "f32"}, 256, 1)
def test_a_memorys_figures_agree_and_one_step_of_the_last_place_differs(
    model: Model, asked: dict[str, Any], context: int, sequences: int
) -> None:
    try:
        of = Context(model, asked, context, sequences)
    except KvcalcError:
        reject()
    printed = list(of.printed())
    lines = [line for line, _ in printed]
    # No line says that the context is of the layers that draft.
    known = {name: value for name, value in asked.items() if name == "ctx_type"}
    rows = checked(lines, model, known)
    assert {row.verdict for row in rows} <= {AGREES}, (lines, rows)
    for place, (line, figures) in enumerate(printed):
        for figure, places in figures.items():
            for changed in misprinted(line, figure, places):
                log = [*lines[:place], changed, *lines[place + 1 :]]
                rows = [row for row in checked(log, model, known) if row.line == place + 1]
                assert DIFFERS in {row.verdict for row in rows}, (changed, rows)
                # Only the first is explained, by each of a hundred releases in its turn.
                known["release"] = RELEASES.newest


@each("setting", ["kv_unified", "swa_full"])
def test_a_release_without_a_setting_that_is_given_explains_nothing(setting: str) -> None:
    line = "llama_kv_cache: size =    7.00 MiB (  4096 cells,  12 layers,  1/1 seqs)"
    (row,) = checked([line], load("gpt-oss-20b"), {setting: False})
    assert (row.verdict, "would explain it" in row.why) == (DIFFERS, False)


def test_v_is_of_ks_type_where_a_line_of_k_alone_is_twice_as_large() -> None:
    """Qwen3-8B: 4,096 cells x 36 layers of 8 heads of 128 are 153 MiB of q8_0."""
    line = "llama_kv_cache: size = {} MiB (  4096 cells,  36 layers,  1/1 seqs), K (q8_0): {} MiB"
    for size, of in ((306, "q8_0 and q8_0"), (441, "q8_0 and f16")):
        text = line.format(f"{size}.00", "153.00")
        whole, of_k = checked([text], load("qwen3-8b"), {"cache_type_v": "f16"})
        assert (whole.ours, whole.verdict, of_k.ours, of_k.verdict) == (size, AGREES, 153, AGREES)
        assert whole.why.endswith(of)


def test_a_sliding_cache_of_a_model_without_windows_holds_nothing() -> None:
    lines = [
        "creating non-SWA KV cache, size = 4096 cells",
        "creating     SWA KV cache, size = 2304 cells",
    ]
    (*_, row) = checked(lines, load("qwen3-8b"))
    assert (row.ours, row.verdict) == (0, DIFFERS)


def test_recurrent_states_of_older_versions_are_not_taken_for_attention() -> None:
    """A Qwen3.5-27B of 4 sequences: 48 Gated DeltaNet layers among 65, as the line counts them."""
    qwen = load("tests/oracles/configs/Qwen--Qwen3.5-27B.json")
    start = "llama_memory_recurrent: size =  598.50 MiB (     4 cells,  65 layers,  4 seqs)"
    for line in (start, f"{start}, R (f32):   22.50 MiB, S (f32):  576.00 MiB"):
        rows = checked([line], qwen)
        assert rows[0].figure == "recurrent states (MiB)"
        assert {(row.printed == row.ours, row.verdict) for row in rows} == {(True, AGREES)}
    (row,) = checked([start.replace("598.50", "598.51")], qwen)
    assert (row.ours, row.verdict) == (598.5, DIFFERS)
    (row,) = checked([start], load("qwen3-8b"))  # which has none
    assert (row.ours, row.verdict) == (0, DIFFERS)


@pytest.mark.parametrize("how", ["flash_attn            = disabled", ""])
def test_without_flash_attention_v_is_as_wide_as_the_widest(how: str) -> None:
    """8 heads of 128 beside 4 of 128: 2 x 256 cells x (1,024 + 512) K and 2 x 1,024 V of f16."""
    model = shape(full(), full(kv_heads=4))
    line = "llama_kv_cache: size = 1.75 MiB (256 cells, 2 layers, 1/1 seqs), K (f16): 0.75 MiB, "
    rows = checked([f"llama_context: {how}", f"{line}V (f16): 1.00 MiB"], model)
    verdicts = (AGREES, AGREES, AGREES) if how else (DIFFERS, AGREES, DIFFERS)
    assert tuple(row.verdict for row in rows) == verdicts


def test_each_device_has_a_buffer_where_it_is_known_how_layers_are_dealt() -> None:
    """3 of 4 layers on the first device, 256 cells of 4,096 bytes each."""
    lines = [
        "creating non-SWA KV cache, size = 256 cells",
        "CUDA0 KV buffer size =     3.00 MiB",
        "CUDA1 KV buffer size =     1.00 MiB",
    ]
    model = shape(full(), full(), full(), full())
    known = {"tensor_split": "3,2"}
    rows = checked(lines, model, known)
    assert [(row.line, row.ours, row.verdict) for row in rows] == [(2, 3, AGREES), (3, 1, AGREES)]
    swapped = [lines[0], lines[1].replace("3.00", "2.99"), lines[2].replace("1.00", "1.01")]
    assert [row.verdict for row in checked(swapped, model, known)] == [DIFFERS, DIFFERS]
    (together,) = checked(lines, model)
    assert (together.printed, together.ours, together.verdict) == (4, 4, AGREES)
    (together,) = checked([*lines[:2], lines[2].replace("1.00", "1.02")], model)
    assert together.verdict == DIFFERS
    (alone,) = checked([lines[0], lines[1].replace("3.00", "4.00")], model, known)
    assert (alone.printed, alone.ours, alone.verdict) == (4, 4, AGREES)


@each(
    ("first", "verdict"), [("0.13", AGREES), ("0.12", AGREES), ("0.11", DIFFERS), ("0.15", DIFFERS)]
)
def test_buffers_together_are_off_by_what_each_was_rounded_by(first: str, verdict: str) -> None:
    """Twice 256 cells of 512 bytes are 0.125 MiB each, which %.2f prints as 0.12."""
    lines = [
        "creating non-SWA KV cache, size = 256 cells",
        f"CUDA0 KV buffer size = {first} MiB",
        "CUDA1 KV buffer size = 0.12 MiB",
    ]
    (row,) = checked(lines, shape(full(kv_heads=1), full(kv_heads=1)))
    assert (row.ours, row.verdict) == (0.25, verdict)


def test_the_share_of_one_device_that_meta_prints_is_not_held_against_the_whole() -> None:
    qwen = load("tests/oracles/configs/Qwen--Qwen3.5-27B.json")
    states = "llama_memory_recurrent: size = 149.62 MiB (1 cells, 65 layers, 1 seqs 0 rs_seq), "
    states += "R (f32): 5.62 MiB, S (f32): 144.00 MiB"
    rows = checked(["Meta() RS buffer size =    49.88 MiB", states], qwen)
    assert [(row.line, row.verdict) for row in rows] == [(1, CANNOT), *[(2, AGREES)] * 3]
    assert (
        rows[0].why
        == "one share of what devices divide (split_mode tensor): the others are missing"
    )


@each("of", ["model", "KV", "RS", "compute"])
def test_no_share_that_meta_prints_is_passed_over(of: str) -> None:
    rows = checked([f"Meta() {of} buffer size = 49.88 MiB"], load("qwen3-8b"))
    assert [(row.figure, row.verdict) for row in rows] == [(f"{of} buffer size (MiB)", CANNOT)]


@each(
    ("printed", "verdict"),
    [("2048.00", AGREES), ("1024.00", CANNOT)],  # of two devices one, as an excerpt may have it
)
def test_a_cache_whose_own_line_is_missing_is_of_the_whole_context(
    printed: str, verdict: str
) -> None:
    """The excerpt of a log of buffers alone: the states' line is not the cache's."""
    qwen = load("qwen3.5-27b")
    states = "llama_memory_recurrent: size = 149.62 MiB (1 cells, 64 layers, 1 seqs 0 rs_seq), "
    states += "R (f32): 5.62 MiB, S (f32): 144.00 MiB"
    lines = [
        "llama_context: n_ctx = 32768",
        f"llama_kv_cache: Vulkan0 KV buffer size = {printed} MiB",
        "llama_memory_recurrent: Vulkan0 RS buffer size = 149.62 MiB",
    ]
    rows = checked([*lines, states], qwen)
    assert [(row.line, row.verdict) for row in rows] == [
        (2, verdict),
        *[(3, AGREES)],
        *[(4, AGREES)] * 3,
    ]
    alone = checked(lines, qwen)
    assert [(row.line, row.verdict) for row in alone] == [(2, verdict), (3, CANNOT)]
    assert alone[1].why == "the line about the memory that the buffer is of is missing"


@pytest.mark.parametrize(("device", "printed"), [("CUDA0", "0.30"), ("Vulkan0", "0.30")])
def test_cuda_pads_quantised_rows_that_are_not_whole_blocks_of_512(
    device: str, printed: str
) -> None:
    """576 elements of q8_0 are 612 bytes: 2 x 256 of them, and 448 elements more a tensor."""
    model = shape(latent(), latent())
    line = "llama_kv_cache: size = 0.30 MiB (256 cells, 2 layers, 1/1 seqs), K (q8_0): 0.30 MiB, "
    line += "V (q8_0): 0.00 MiB"
    rows = checked([f"{device} KV buffer size = {printed} MiB", line], model)
    assert [row.verdict for row in rows] == [AGREES] * 4
    cuda = 2 * (256 * 612 + 448 // 32 * 34)
    assert rows[0].ours == round((cuda if device == "CUDA0" else 2 * 256 * 612) / 2**20, 4)


def test_a_memorys_size_is_a_float_of_single_precision() -> None:
    """11 KiB more than 512 GiB: a float of single precision is 512 GiB, a double shows them."""
    model = shape(full(kv_heads=1, head_dim=1))
    cells = (2**39 + 11 * 2**10) // 4
    line = f"size = {{}} MiB ({cells} cells, 1 layers, 1/1 seqs)"
    for printed, verdict in (("524288.00", AGREES), ("524288.01", DIFFERS)):
        assert [row.verdict for row in checked([line.format(printed)], model)] == [verdict]
    buffer = [f"creating non-SWA KV cache, size = {cells} cells", "KV buffer size = {} MiB"]
    for printed, verdict in (("524288.00", DIFFERS), ("524288.01", AGREES)):
        rows = checked([buffer[0], buffer[1].format(printed)], model)
        assert [row.verdict for row in rows] == [verdict]


def test_a_full_size_cache_of_sliding_layers_is_known_by_its_warning() -> None:
    model = load("gpt-oss-20b")
    lines = [
        "llama_kv_cache_iswa: creating non-SWA KV cache, size = 8192 cells",
        "llama_kv_cache_iswa: creating     SWA KV cache, size = 8192 cells",
    ]
    warning = "llama_kv_cache_iswa: using full-size SWA cache (ref: https://github.com)"
    assert [row.verdict for row in checked([warning, *lines], model)] == [AGREES]
    (row,) = checked(lines, model)
    assert (row.ours, row.verdict) == (768, DIFFERS)


def test_what_a_context_takes_is_worked_out_once_for_all_tables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A log may have 10,000: each is held against the same few figures."""
    asked = []

    def counted(*of: Any) -> Any:
        asked.append(of)
        return cost(*of)

    monkeypatch.setattr("kvcalc.engines.llama_cpp.log.breakdown.cost", counted)
    row = "llama_memory_breakdown_print: |   - CUDA0 (A) | 9 =  1 + (9 = 9 +    513 +     1) + 5 |"
    rows = checked(["llama_context: n_ctx = 4096", *[row] * 50], load("llama-3.1-8b"))
    assert [one.verdict for one in rows] == [DIFFERS] * 50
    assert 0 < len(asked) <= 14
