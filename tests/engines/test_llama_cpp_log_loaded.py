"""What llama.cpp prints of the buffers that a file, a graph and logits take, against our own.

The lines are of public logs: Llama-3.1-8B on CUDA (ollama of 2025-12), Gemma-2-2B on a processor
(b7445), and what src/llama-model.cpp (load_tensors) makes of a file by hand.
"""

import io
import re
from collections.abc import Sequence
from typing import Any

from kvcalc.answers.check import AGREES, CANNOT, DIFFERS, Checked, read, verdicts
from kvcalc.engines.llama_cpp.log.loaded import (
    NO_TENSORS,
    OTHERWISE,
    SCATTERED,
    SHARED,
    TRIED,
    mixture,
)
from kvcalc.parameters.gguf_mixes import MIXES
from kvcalc.parameters.stored import Stored
from kvcalc.readers import load
from tests.each import each
from tests.engines.log_lines import misprinted
from tests.shapes import full
from tests.shapes import model as shape

LLAMA = (
    "llm_load_print_meta: model ftype      = Q4_K - Medium",
    "llm_load_tensors: offloaded 33/33 layers to GPU",
    "llm_load_tensors:          CPU model buffer size =   281.81 MiB",
    "llm_load_tensors:        CUDA0 model buffer size =  4403.49 MiB",
    "llama_new_context_with_model: n_seq_max     = 4",
    "llama_new_context_with_model: n_ctx         = 8192",
    "llama_new_context_with_model: n_ubatch      = 512",
    "llama_new_context_with_model: flash_attn    = 0",
    "llama_new_context_with_model:  CUDA_Host  output buffer size =     2.02 MiB",
    "llama_new_context_with_model:      CUDA0 compute buffer size =   560.00 MiB",
    "llama_new_context_with_model:  CUDA_Host compute buffer size =    24.01 MiB",
)
GEMMA = (
    "build: 7445 (4b2a4778f) with Clang 19.1.5 for Windows x86_64",
    "print_info: file type   = Q4_K - Medium",
    "load_tensors: offloaded 27/27 layers to GPU",
    "load_tensors:   CPU_Mapped model buffer size =  1623.67 MiB",
    "load_tensors:   CPU_REPACK model buffer size =   921.38 MiB",
    "llama_context: n_seq_max     = 4",
    "llama_context: n_ctx         = 8192",
    "llama_context: n_ubatch      = 512",
    "llama_context: flash_attn    = auto",
    "llama_context: kv_unified    = true",
    "llama_context:        CPU  output buffer size =     3.91 MiB",
    "llama_context:        CPU compute buffer size =   509.00 MiB",
)
GEMMA_2_2B = (
    Stored("token_embd.weight", "Q6_K", 2304, 2304 * 256_000, 483_840_000, 0),
    Stored("blk.25.ffn_down.weight", "Q4_K", 9216, 9216 * 2304, 10**7, 1_692_545_024),
)
"""The ends of that file, of 1,623.67 MiB."""


def rows(
    lines: Sequence[str], model: Any, stored: tuple[Stored, ...] = (), **settings: Any
) -> dict[str, Checked]:
    found = read(io.BytesIO("\n".join(lines).encode()), "log")
    given = {name: str(value) for name, value in settings.items()}
    return {row.figure: row for row in verdicts(found, model, given, stored)}


def verdict_of(found: dict[str, Checked]) -> dict[str, str]:
    return {figure.removesuffix(" (MiB)"): row.verdict for figure, row in found.items()}


def test_a_log_of_a_mixture_agrees_without_the_file() -> None:
    found = rows(LLAMA, load("llama-3.1-8b"))
    assert set(verdict_of(found).values()) == {AGREES}
    assert len(found) == 5


def test_what_is_printed_otherwise_does_not_agree() -> None:
    model = load("llama-3.1-8b")
    output, host = LLAMA[8], LLAMA[10].replace("24.01", "70")
    for more, less, *wrong in (
        (*misprinted(output, "output buffer size = @ MiB", 2), CANNOT, DIFFERS),
        (*misprinted(host, "CUDA_Host compute buffer size = @ MiB"), DIFFERS, DIFFERS),
    ):
        for line, verdict in zip((more, less), wrong, strict=True):
            assert [*verdict_of(rows([*LLAMA[:8], LLAMA[9], line], model)).values()][-1] == verdict


def test_a_file_that_others_mix_is_not_called_wrong() -> None:
    lines = [line.replace("4403.49", "4200.00") for line in LLAMA]
    found = rows(lines, load("llama-3.1-8b"))
    assert found["CUDA0 model buffer size (MiB)"].why == OTHERWISE
    lines = [line.replace("Q4_K - Medium", "Q1_0") for line in LLAMA]
    assert rows(lines, load("llama-3.1-8b"))["CPU model buffer size (MiB)"].why == NO_TENSORS


PRINTED = """all F32|F16|BF16|Q8_0|Q4_0|Q4_1|Q5_0|Q5_1|Q2_K - Medium|Q2_K - Small|Q3_K - Small
Q3_K - Medium|Q3_K - Large|Q4_K - Small|Q4_K - Medium|Q5_K - Small|Q5_K - Medium|Q6_K|MXFP4 MoE
TQ1_0 - 1.69 bpw ternary|TQ2_0 - 2.06 bpw ternary|IQ2_XXS - 2.0625 bpw|IQ2_XS - 2.3125 bpw
IQ2_S - 2.5 bpw|IQ2_M - 2.7 bpw|IQ3_XXS - 3.0625 bpw|IQ3_XS - 3.3 bpw|IQ3_S - 3.4375 bpw
IQ3_S mix - 3.66 bpw|IQ1_S - 1.5625 bpw|IQ1_M - 1.75 bpw|IQ4_NL - 4.5 bpw|IQ4_XS - 4.25 bpw"""
"""What llama_model_ftype_name says (src/llama-model-loader.cpp)."""


def test_every_mixture_is_known_by_what_a_log_prints() -> None:
    printed = PRINTED.replace("\n", "|").split("|")
    found = {mixture(text) for text in printed}
    assert found - {"all F32", "F16", "BF16"} == set(MIXES)
    assert {mixture(f"(guessed) {text}") for text in printed} == found


def test_a_processor_maps_the_file_and_computes_all_of_it() -> None:
    found = rows(GEMMA, shape(*[full(kv_heads=4, head_dim=256)] * 26), GEMMA_2_2B)
    assert verdict_of(found) == {
        "CPU_Mapped model buffer size": AGREES,
        "CPU_REPACK model buffer size": CANNOT,
        "output buffer size": AGREES,
        "CPU compute buffer size": AGREES,
    }


SIZE = 1024 * 1024 * 2
"""Bytes of each tensor: 2 MiB."""


def tensor(name: str, place: int, file: int = 0) -> Stored:
    return Stored(name, "F16", 1024, SIZE // 2, SIZE, place * SIZE, file)


TENSORS = (
    tensor("blk.0.ffn_gate_exps.weight", 0),
    tensor("output.weight", 1),
    tensor("token_embd.weight", 2),
    tensor("blk.1.ffn_gate_exps.weight", 0, 1),
    tensor("blk.1.attn_q.weight", 1, 1),
    tensor("blk.0.attn_q.weight", 2, 1),
)
"""Two blocks in two files."""

TIED = tuple(one for one in TENSORS if one.name != "output.weight")


@each(
    ("stored", "layers", "printed", "settings"),
    [
        (TENSORS, 3, {"CUDA0": 10, "CPU_Mapped": 2}, {}),
        (TENSORS, 3, {"Metal_Mapped": 10, "CPU_Mapped": 2}, {}),
        (TENSORS, 3, {"CUDA0": 10, "CUDA_Host": 2}, {}),
        (TIED, 3, {"CUDA0": 10, "CPU": 2}, {}),
        (TENSORS, 2, {"CUDA0": 6, "CPU_Mapped": 8}, {}),
        (TENSORS, 2, {"CUDA0": 6, "CPU": 6}, {}),
        (TENSORS, 0, {"CPU_Mapped": 12}, {}),
        (TENSORS, 3, {"CUDA0": 6, "CPU_Mapped": 8}, {"n_cpu_moe": 2}),
        (TENSORS, 3, {"CUDA0": 4, "CUDA1": 6, "CPU": 2}, {"tensor_split": "1,2"}),
        # A log alone does not say how layers are dealt: the sum is held.
        (TENSORS, 3, {"CUDA0": 2, "CUDA1": 8, "CPU": 2}, {}),
    ],
)
def test_buffers_have_the_tensors_that_belong_there(
    stored: tuple[Stored, ...], layers: int, printed: dict[str, int], settings: dict[str, Any]
) -> None:
    def lines(over: float) -> list[str]:
        offloaded = f"load_tensors: offloaded {layers}/3 layers to GPU"
        return [
            offloaded,
            *(
                f"load_tensors: {name:>12} model buffer size = {size + over:8.2f} MiB"
                for name, size in printed.items()
            ),
        ]

    model = shape(full(), full())
    assert {*verdict_of(rows(lines(0), model, stored, **settings)).values()} == {AGREES}
    assert {*verdict_of(rows(lines(0.03), model, stored, **settings)).values()} == {DIFFERS}


def test_each_device_is_held_where_a_log_says_how_layers_are_dealt() -> None:
    """The sum is right, and neither device has what it should."""
    lines = [
        "load_tensors: offloaded 3/3 layers to GPU",
        "load_tensors:        CUDA0 model buffer size =     6.00 MiB",
        "load_tensors:        CUDA1 model buffer size =     4.00 MiB",
        "load_tensors:          CPU model buffer size =     2.00 MiB",
    ]
    held = verdict_of(rows(lines, shape(full(), full()), TENSORS, tensor_split="1,2"))
    assert sorted(held.values()) == [AGREES, DIFFERS, DIFFERS]


@each(
    ("devices", "least", "most"),
    [
        ("CUDA0 CUDA1", DIFFERS, AGREES),
        ("CUDA0 Vulkan1", AGREES, AGREES),
        ("Vulkan0 CUDA1", AGREES, AGREES),
    ],
)
def test_only_cuda_is_sure_to_pad_quantised_rows(devices: str, least: str, most: str) -> None:
    """200 tensors of one row of 544 elements of Q8_0, 578 bytes each, and 480 elements more, 510
    bytes, rounded up to whole 128: 0.11 MiB without the rest, and 0.22 with it."""
    row = [Stored(f"blk.0.{at}.weight", "Q8_0", 544, 544, 578, 578 * at) for at in range(200)]
    for size, verdict in ((200 * 578, least), (200 * 1_152, most), (200 * 1_152 + 2**15, DIFFERS)):
        printed = size / 2 / 2**20
        lines = [
            "load_tensors: offloaded 2/2 layers to GPU",
            *(
                f"load_tensors: {one} model buffer size = {printed:.2f} MiB"
                for one in devices.split()
            ),
        ]
        assert {*verdict_of(rows(lines, shape(full()), tuple(row))).values()} == {verdict}


def test_what_cannot_be_held_is_said_by_name() -> None:
    model = shape(full(), full())
    mapped = ["load_tensors: CPU_Mapped model buffer size = 2.00 MiB"]
    unplaced = tuple(one._replace(start=None) for one in TENSORS)
    whys = {
        NO_TENSORS: rows(mapped, model),
        SHARED: rows(mapped, model, TENSORS, split_mode="row"),
        TRIED: rows(["load_tensors: CPU_Mapped model buffer size = 0.00 MiB"], model, TENSORS),
        SCATTERED: rows(
            [*mapped, "load_tensors: CUDA0 model buffer size = 6.00 MiB"],
            model,
            unplaced,
            n_gpu_layers=2,
        ),
    }
    for why, found in whys.items():
        assert found["CPU_Mapped model buffer size (MiB)"].why == why


def test_a_graph_that_is_computed_in_part_in_main_memory_is_not_held() -> None:
    for layers in ("20/33", "32/33"):  # the last is the output's
        lines = [re.sub("33/33", layers, line) for line in LLAMA]
        found = rows(lines, load("llama-3.1-8b"))
        assert found["CUDA0 compute buffer size (MiB)"].verdict == CANNOT
        assert "main memory" in found["CUDA0 compute buffer size (MiB)"].why
        assert found["output buffer size (MiB)"].verdict == AGREES


def test_a_graph_that_differs_names_a_micro_batch_that_nobody_said() -> None:
    """A start with -ub 2048 of which an excerpt has no line of n_ubatch."""
    lines = [
        "llama_context: n_ctx = 32768",
        "sched_reserve: Vulkan0 compute buffer size = 664.18 MiB",
        "sched_reserve: Vulkan_Host compute buffer size = 208.07 MiB",
    ]
    host = "Vulkan_Host compute buffer size (MiB)"
    found = rows(lines, load("qwen3.5-27b"))[host]
    assert found.verdict == DIFFERS
    assert found.why.endswith("; ubatch_size=2048 would explain it")
    assert rows(lines, load("qwen3.5-27b"), ubatch_size=2048)[host].verdict == AGREES
    said = rows([*lines, "llama_context: n_ubatch = 512"], load("qwen3.5-27b"))[host]
    assert said.verdict == DIFFERS
    assert "would explain" not in said.why


def test_what_a_device_packs_again_is_named_and_not_held() -> None:
    """Hexagon's own buffers (docs/backend/snapdragon/developer.md)."""
    lines = [
        "load_tensors: CPU model buffer size = 1182.09 MiB",
        "load_tensors: HTP0 model buffer size = 7.75 MiB",
        "load_tensors: HTP0-REPACK model buffer size = 2923.59 MiB",
    ]
    found = rows(
        lines, load("gpt-oss-20b"), (Stored("output.weight", "F16", 1024, SIZE // 2, SIZE, 0),)
    )
    assert set(found) == {f"{of} model buffer size (MiB)" for of in ("CPU", "HTP0", "HTP0-REPACK")}
    assert {row.why for row in found.values()} == {
        "which tensors are packed again depends on the processor"
    }


OLD_OLLAMA = [
    'msg="starting llama server" cmd="ollama_llama_server --ctx-size 8192 --batch-size 512 '
    '--parallel 4"',
    "llama_new_context_with_model: n_ctx         = 8192",
    "llama_new_context_with_model:        CPU  output buffer size =     2.02 MiB",
    "llama_new_context_with_model:      CUDA0 compute buffer size =   560.00 MiB",
]
"""A start of Llama 3.1 8B by Ollama of 2024-12."""


def test_the_sequences_of_ollamas_command_are_those_of_the_output() -> None:
    """Logits and states of four sequences; its logs of then have no line of n_seq_max."""
    found = rows(OLD_OLLAMA, load("llama-3.1-8b"))
    assert found["output buffer size (MiB)"].verdict == AGREES
    alone = rows([line.replace("--parallel 4", "") for line in OLD_OLLAMA], load("llama-3.1-8b"))
    assert alone["output buffer size (MiB)"].verdict == CANNOT


def test_a_graph_without_flash_attention_is_explained_where_the_log_does_not_say_it() -> None:
    graph = "CUDA0 compute buffer size (MiB)"
    found = rows(OLD_OLLAMA, load("llama-3.1-8b"))[graph]
    assert found.verdict == DIFFERS
    assert found.why.endswith("; flash_attn=False, or ubatch_size=2048 would explain it")
    given = rows(OLD_OLLAMA, load("llama-3.1-8b"), flash_attn="off")[graph]
    assert given.verdict == AGREES
    said = "llama_new_context_with_model: flash_attn = 1"
    found = rows([*OLD_OLLAMA, said], load("llama-3.1-8b"))[graph]
    assert found.verdict == DIFFERS
    assert "flash_attn" not in found.why
