"""What llama-server makes of its command line."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcalc.engines import ENGINES
from kvcalc.engines.llama_cpp.server import PRESETS, SERVER, SWITCHES, VALUES
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.engines.llama_cpp.slots import finish
from kvcalc.engines.server.asked import Asked
from kvcalc.engines.server.reader import read
from kvcalc.errors import KvcalcError
from tests.each import each

TAKEN_APART = {
    *("model", "context", "sequences", "fit", "kv_unified_per_slot"),
    *("spec_type", "spec_draft_n_max", "spec_draft_model", "spec_draft_hf"),
    *("spec_draft_type_k", "spec_draft_type_v"),
}


def test_flags_name_settings_and_stand_in_one_table() -> None:
    assert "llama-server" in ENGINES["llama.cpp"].programs
    settings = {*VALUES.values(), *(name for name, _ in SWITCHES.values())}
    assert settings - TAKEN_APART <= LlamaCppSettings.model_fields.keys()
    assert not VALUES.keys() & SWITCHES.keys()
    assert not SERVER.ignored.keys() & (VALUES.keys() | SWITCHES.keys())
    assert SERVER.ignored["--jinja"] == 0
    assert SERVER.ignored["--threads"] == 1


@each(
    ("flags", "settings"),
    [
        ("-ot a=CUDA0 -ot b=CPU", {"override_tensor": "a=CUDA0,b=CPU"}),
        ("-ot a=CUDA0,c=CPU --override-tensor b=CPU", {"override_tensor": "a=CUDA0,c=CPU,b=CPU"}),
        ("-ctk q8_0 -ctk q4_0", {"cache_type_k": "q4_0"}),
        ("-dev none -ts 1,1", {"n_gpu_layers": 0}),
        ("--device CUDA1 -ts 3,1", {"tensor_split": "3"}),
        ("-dev CUDA0,CUDA2 -ts 3/1/2", {"tensor_split": "3,1"}),
        ("-dev CUDA0,CUDA1,CUDA2 -ts 3,1", {"tensor_split": "3,1"}),
        ("-dev CUDA0,CUDA1", {}),
    ],
)
def test_flags_that_add_up_or_change_another(flags: str, settings: dict[str, Any]) -> None:
    assert read(f"llama-server -m m.gguf -np 1 -c 8192 {flags}")[1].settings == settings


def test_variables_come_before_flags_that_add() -> None:
    line = "LLAMA_ARG_OVERRIDE_TENSOR=a=CUDA0 LLAMA_ARG_DEVICE=none LLAMA_KV_CACHE_DEBUG=1 "
    asked = read(f"{line} llama-server -m m.gguf -np 1 -c 8192 -ot b=CPU")[1]
    assert asked.settings == {"override_tensor": "a=CUDA0,b=CPU", "n_gpu_layers": 0}


def test_slots_with_cells_of_their_own_get_a_share_each() -> None:
    asked = finish(Asked(model="x.gguf", context=65_536, sequences=4))
    assert asked.notes[0] == (
        "llama-server: -c 65,536 counts all slots, so each of 4 gets 16,384 tokens"
    )


def test_without_c_a_slot_of_the_unified_buffer_may_use_the_models_context() -> None:
    assert finish(Asked(model="x.gguf")).notes[1].endswith("; any of them may use all of it")
    assert not finish(Asked(model="x.gguf", sequences=2)).notes[0].endswith("all of it")


def test_c_0_is_the_models_own_context_whatever_the_memory() -> None:
    notes = finish(Asked(model="x.gguf", context=0, sequences=2)).notes
    assert notes[0] == "llama-server: by -c 0 each slot has the model's own context (--fit)"


def test_without_np_it_makes_four_slots_in_one_unified_buffer() -> None:
    asked = finish(Asked(model="x.gguf", context=65_536))
    assert (asked.sequences, asked.context) == (4, 16_384)
    assert asked.settings == {"kv_unified": True}
    assert "4 slots in one unified buffer" in asked.notes[0]
    assert asked.notes[1] == (
        "llama-server: -c 65,536 counts all slots, so any of them may use all of it, and 4 of "
        "16,384 tokens fill it; once it is full, every request in it fails"
    )
    assert finish(Asked(context=4096, sequences=-1)).sequences == 4


@each("context", [1, 3])
def test_each_slot_has_a_token_at_least(context: int) -> None:
    asked = finish(Asked(context=context, sequences=4))
    assert asked.context == 1
    assert asked.notes[0].startswith(f"llama-server: -c {context} counts all slots")


def test_with_np_each_slot_has_a_stream() -> None:
    asked = finish(Asked(context=65_536, sequences=2, settings={"cache_type_k": "q8_0"}))
    assert (asked.sequences, asked.context) == (2, 32_768)
    assert asked.settings == {"cache_type_k": "q8_0"}


def test_without_c_the_context_is_left_open() -> None:
    for context, words in ((None, "without -c the"), (0, "by -c 0 the")):
        asked = finish(Asked(context=context, sequences=1))
        assert asked.context is None
        assert words in asked.notes[0]


@each(
    ("settings", "expected"),
    [
        ({"spec_type": "draft-mtp", "spec_draft_n_max": "2"}, {"n_rs_seq": "2"}),
        ({"spec_type": "draft-eagle3"}, {"n_rs_seq": 3}),
        ({"spec_type": "ngram-simple", "spec_draft_n_max": "2"}, {}),
        ({"spec_draft_n_max": "2"}, {}),
    ],
)
def test_a_draft_wants_spare_states(settings: dict[str, Any], expected: dict[str, Any]) -> None:
    assert finish(Asked(context=4096, sequences=1, settings=settings)).settings == expected


def test_no_slots_are_refused() -> None:
    with pytest.raises(KvcalcError, match="-np"):
        finish(Asked(context=4096, sequences=0))


def cells(context: int, sequences: int, unified: bool) -> int:
    """Cells of a stream, of the -c of all."""
    padded = -(-context // 256) * 256
    return padded if unified else -(-(padded // sequences) // 256) * 256


@given(st.integers(1, 10**6), st.integers(1, 256), st.booleans())
def test_the_part_of_a_slot_takes_the_cells_of_the_whole(
    context: int, sequences: int, unified: bool
) -> None:
    asked = finish(Asked(context=context, sequences=sequences, settings={"kv_unified": unified}))
    assert asked.context is not None
    mine = asked.context * sequences if unified else asked.context
    assert -(-mine // 256) * 256 == cells(context, sequences, unified)


CODER = "ggml-org/Qwen2.5-Coder"
STANDS_FOR = {
    "--embd-gemma-default": "-hf ggml-org/embeddinggemma-300M-qat-q4_0-GGUF -np 32 -c 65536 "
    "-b 2048 -ub 2048",
    **{
        f"--fim-qwen-{size}b-default": f"-hf {CODER}-{size}B-Q8_0-GGUF -b 1024 -ub 1024"
        for size in ("1.5", "3", "7")
    },
    **{
        f"--fim-qwen-{size}b-spec": f"-hf {CODER}-{size}B-Q8_0-GGUF -b 1024 -ub 1024 "
        f"--spec-draft-hf {CODER}-0.5B-Q8_0-GGUF"
        for size in (7, 14)
    },
    "--fim-qwen-30b-default": "-hf ggml-org/Qwen3-Coder-30B-A3B-Instruct-Q8_0-GGUF -b 1024 "
    "-ub 1024",
    **{
        f"--gpt-oss-{size}b-default": f"-hf ggml-org/gpt-oss-{size}b-GGUF -np 2 -c 262144 "
        "-b 32768 -ub 2048"
        for size in (20, 120)
    },
    **{
        f"--vision-gemma-{size}b-default": f"-hf ggml-org/gemma-3-{size}b-it-qat-GGUF"
        for size in (4, 12)
    },
}
"""The line that each built-in preset stands for (common/arg.cpp)."""


@each("flag", PRESETS)
def test_a_built_in_preset_is_a_model_with_its_settings(flag: str) -> None:
    def said(flags: str) -> list[object]:
        _, asked = read(f"llama-server {flags}")
        settings = {name: str(value) for name, value in asked.settings.items()}
        return [asked.model, asked.context, asked.sequences, settings, len(asked.beside)]

    assert said(flag) == said(STANDS_FOR[flag])


@each(
    ("line", "settings"),
    [
        ("-ngl -1 -fa enabled", {"n_gpu_layers": None, "flash_attn": True}),
        ("-ngl -2 -fa disabled", {"n_gpu_layers": None, "flash_attn": False}),
        ("-ngl 4 -fa auto -sm tensor", {"n_gpu_layers": 4, "split_mode": "tensor"}),
        ("-fa -ngl all", {"flash_attn": True}),
    ],
)
def test_values_that_common_arg_takes(line: str, settings: dict[str, Any]) -> None:
    _, asked = read(f"llama-server -m m -np 1 -c 8192 {line}")
    found = LlamaCppSettings(**asked.settings)
    assert {name: getattr(found, name) for name in settings} == settings


@each("value", ["on", "enabled", "true", "1"])
def test_variables_are_as_true_as_flags(value: str) -> None:
    _, asked = read(f"LLAMA_ARG_KV_UNIFIED={value} LLAMA_ARG_N_PARALLEL=2 llama-server -c 8192")
    assert LlamaCppSettings(**asked.settings).kv_unified is True
    assert "any of them may use all of it" in asked.notes[0]


FORKED = """--attention-max-batch --cuda-params --dsa-top-k --fused-indexer-topk --fused-moe
--graph-reduce-type --graph-reuse --grouped-expert-routing --indexer-cache-type-k
--k-cache-hadamard --max-gpu --merge-qkv --merge-up-gate-experts --mla-use --no-fused-moe
--no-fused-mul-multiadd --no-fused-up-gate --no-graph-reuse --no-offload-only-active-experts
--offload-policy --run-time-repack --scheduler-async --smart-expert-reduction
--split-mode-graph-scheduling --swa-compress --v-cache-hadamard --worst-graph-tokens -amb -cuda -dsa
-dsatk -fidx -fmoe -ger -gr -grt -ictk -khad -mla -mqkv -muge -no-fmoe -no-fug -no-gr -no-mmad
-no-ooae -op -rtr -sas -ser -smgs -vhad -wgt"""


@each("flag", FORKED.split())
def test_a_flag_of_ik_llama_cpp_is_refused_by_its_name(flag: str) -> None:
    """A line of that fork, whose caches are others: it was answered as llama.cpp's."""
    with pytest.raises(KvcalcError) as caught:
        read(f"llama-server -m m.gguf -c 32768 {flag} 3")
    assert f"{flag}: ik_llama.cpp has this flag, llama.cpp does not" in str(caught.value)
