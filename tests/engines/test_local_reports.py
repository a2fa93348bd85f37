"""What people asked in public about llama.cpp, Ollama and MLX, with the figures of their engines.

A row is a report; its figure was posted, or printed by the engine's own code run on the same keys.
Families, formats and `--max-kv-size` have rows in test_checkpoint_families.py,
test_checkpoint_formats.py and test_mlx_kv_size.py.
"""

import io
from typing import Any

import pytest

import kvcalc
from kvcalc.engines.log import AGREES, CANNOT
from kvcalc.engines.server.reader import read
from kvcalc.errors import KvcalcError, SourceError
from kvcalc.layers.attention import FullAttention
from kvcalc.layers.recurrent import ShortConvolution
from kvcalc.model import Model
from tests.engines.log_lines import checked
from tests.shapes import model

CONFIGS = "tests/oracles/configs"
GGUF = f"{CONFIGS}/checkpoints/gguf"
MIB = 2**20
TINY = model(*[FullAttention(kv_heads=1, head_dim=64)] * 2, max_context=8192)
DRAFT = model(FullAttention(kv_heads=1, head_dim=64), max_context=8192)
QWEN_9B, QWEN_35B, TTS = (f"{GGUF}/{name}.gguf" for name in ("q9", "q35m", "qtts"))
QWEN_27B = f"{CONFIGS}/Qwen--Qwen3.5-27B.json"
GLM = f"{CONFIGS}/zai-org--GLM-5.json"
LFM2 = model(
    *[FullAttention(kv_heads=8, head_dim=64)] * 6,
    *[ShortConvolution(kernel=3, width=2048)] * 10,
)


def loaded(of: Model | str) -> Model:
    return of if isinstance(of, Model) else kvcalc.load(of)


def bytes_of(of: Model, line: str) -> int:
    """What a line's cache takes of a model; without -c each slot's, or a share of the maximum."""
    engine, asked = read(line)
    sequences = asked.sequences or 1
    context = asked.context
    if context is None:
        assert of.max_context is not None
        context = of.max_context // (sequences if asked.shares_maximum else 1)
    return int(kvcalc.cost(of, engine, **asked.settings)(context, sequences=sequences))


LINES: dict[str, tuple[Model | str, str, float]] = {
    "ggml-org/llama.cpp#29148, -np 4 alone": (TINY, "llama-server -m t.gguf -np 4", 16),
    "the same without --fit": (TINY, "llama-server -m t.gguf -np 4 --fit off", 4),
    "ggml-org/llama.cpp#11200, the target": (
        TINY,
        "llama-server -m t.gguf -md d.gguf -np 1 -c 8192 -ctk q8_0 -ctv q8_0",
        2.125,
    ),
    "beellama.cpp#74, Windows": (
        QWEN_35B,
        r"C:\bin\llama-server.exe -m C:\m\q.gguf -c 120064 -np 1 -ctk q8_0 -ctv q8_0 ^"
        "\n  --spec-type draft-mtp --spec-draft-n-max 2",
        1245.78125 + 188.4375,
    ),
    "kth8/llama-server-vulkan#5, variables": (
        TINY,
        "LLAMA_ARG_CTX_SIZE=4096 LLAMA_ARG_N_PARALLEL=2 LLAMA_ARG_CACHE_TYPE_K=q8_0 "
        "llama-server -m t.gguf",
        1.53125,
    ),
    "buun-llama-cpp#59": (TINY, "llama-server -m t.gguf -c 4096 -np 1 -sm tensor", 2),
    "unsloth#4623": (TINY, "llama-server -m t.gguf -c 4096 -np 1 -ngl -1 -fa enabled", 2),
    "ggml-org/llama.cpp#23737": (TINY, "llama-cli -m t.gguf -c 4096", 2),
    "ggml-org/llama.cpp#27937, the program": (TINY, "llama-tts -m t.gguf -c 4096", 2),
    "llama serve": (TINY, "llama serve -m t.gguf -c 8192", 4),
    "four slots in one buffer": (TINY, "llama-server -m t.gguf", 4),
    "shell arithmetic, a bare -fa": (TINY, "llama-server -fa -m t.gguf -np 1 -c $((4 * 1024))", 2),
    "a bundle": (TINY, "llama-server --gpt-oss-20b-default", 128),
    "--kv-unified-per-slot": (TINY, "llama-server -m t.gguf -np 4 --kv-unified-per-slot 4096", 8),
    "-c 0": (TINY, "llama-server -m t.gguf -np 4 -c 0 --kv-unified-per-slot 4096", 16),
    "Ollama's variables": (
        TINY,
        "OLLAMA_CONTEXT_LENGTH=8192 OLLAMA_NUM_PARALLEL=4 OLLAMA_KV_CACHE_TYPE=q8_0 "
        "OLLAMA_FLASH_ATTENTION=1 ollama serve",
        8.5,
    ),
    "unsloth#11073": (
        QWEN_27B,
        "llama-server -m q.gguf -c 159744 -np 4 -ctk q4_0 -ctv q4_0",
        2808 + 598.5,
    ),
    **{
        f"taOS#144, {tokens} tokens": (
            QWEN_9B,
            f"llama-server -m q.gguf -np 1 -c {tokens}",
            mib + 0.25,
        )
        for tokens, mib in (
            *((4096, 178), (8192, 306), (16_384, 562), (32_768, 1074), (65_536, 2098)),
            (131_072, 4146),
        )
    },
    "gguf-parser-go#31": (LFM2, "llama-server -m l.gguf -np 1 -c 32768", 384.15625),
    "ggml-org/llama.cpp#27937": (TTS, "llama-server -m q.gguf -np 1 -c 32768", 3584),
    "the same at 4,096": (TTS, "llama-server -m q.gguf -np 1 -c 4096", 448),
    "Tanguille/cluster#3293, q8_0": (
        QWEN_27B,
        "llama-server -m q.gguf -np 1 -c 262144 -ctk q8_0 -ctv q8_0",
        8704 + 149.625,
    ),
    "Tanguille/cluster#3293, q5_1": (
        QWEN_27B,
        "llama-server -m q.gguf -np 1 -c 262144 -ctk q5_1 -ctv q5_1",
        6144 + 149.625,
    ),
}


def test_a_static_cache_of_transformers_is_counted() -> None:
    """huggingface/transformers#46424: 32 layers of 8 heads of 128, for 8,192 tokens."""
    llama = kvcalc.load("llama-3.1-8b")
    assert kvcalc.cost(llama, "transformers", cache_implementation="static")(8192) == 2**30


@pytest.mark.parametrize(("of", "line", "mib"), LINES.values(), ids=LINES)
def test_a_line_takes_what_its_engine_took(of: Model | str, line: str, mib: float) -> None:
    assert bytes_of(loaded(of), line) == mib * MIB


SPECULATES = "llama-server -m t.gguf -np 1 -ctk q8_0 -ctv q8_0"
MTP = f"{SPECULATES} -c 120064 --spec-type draft-mtp"
BESIDE: dict[str, tuple[Model | str, str, float]] = {
    "ggml-org/llama.cpp#11200, the draft": (DRAFT, f"{SPECULATES} -c 8192 -md d.gguf", 2),
    "beellama.cpp#97": (DRAFT, f"{SPECULATES} -c 8192 -hfd o/d -ctkd q8_0 -ctvd q8_0", 1.0625),
    "beellama.cpp#74, the NextN layer": (QWEN_35B, MTP, 234.5),
}


@pytest.mark.parametrize(("of", "line", "mib"), BESIDE.values(), ids=BESIDE)
def test_a_draft_holds_the_whole_context_in_f16_unless_asked(
    of: Model | str, line: str, mib: float
) -> None:
    engine, asked = read(line)
    (draft,) = asked.beside
    assert asked.context is not None
    assert kvcalc.cost(loaded(of), engine, **draft.settings)(asked.context) == mib * MIB


SAID = {
    "LLMKube#1406": ("llama-server -m t.gguf -c 4096 --cache-ram 4096", "main memory"),
    "LLMKube#1406, in short": ("llama-server -m t.gguf -c 4096 -cram 4096", "main memory"),
    "LLMKube#1406, by itself": ("llama-server -m t.gguf -c 4096", "8,192 MiB unless --cache-ram"),
    "unsloth#11073, checkpoints": (
        "llama-server -m t.gguf -c 4096 --ctx-checkpoints 32",
        "copies of its states or windows in main memory",
    ),
    "any unified start": ("llama-server -m t.gguf -c 8192", "any of them may use all of it"),
}


@pytest.mark.parametrize(("line", "words"), SAID.values(), ids=SAID)
def test_what_is_held_elsewhere_or_together_is_said(line: str, words: str) -> None:
    assert any(words in note for note in read(line)[1].notes)


MTP_LOG = """
llama_context: n_seq_max     = 1
llama_context: n_ctx         = 65536
llama_context: n_ubatch      = 512
llama_context: kv_unified    = true
llama_kv_cache:      CUDA0 KV buffer size =  1280.00 MiB
llama_kv_cache: size = 1280.00 MiB ( 65536 cells,  10 layers,  1/1 seqs), K (f16):  640.00 MiB, \
V (f16):  640.00 MiB
llama_memory_recurrent:      CUDA0 RS buffer size =   188.44 MiB
llama_memory_recurrent: size =  188.44 MiB (     1 cells,  41 layers,  1 seqs  2 rs_seq), \
R (f32):    8.44 MiB, S (f32):  180.00 MiB
common_speculative_init_result: creating MTP draft context against the target model 'x.gguf'
llama_context: n_seq_max     = 1
llama_context: n_ctx         = 65536
llama_kv_cache:      CUDA0 KV buffer size =   128.00 MiB
llama_kv_cache: size =  128.00 MiB ( 65536 cells,   1 layers,  1/1 seqs), K (f16):   64.00 MiB, \
V (f16):   64.00 MiB"""
OLLAMA_LOAD = (
    'msg=load request="{Operation:commit LoraPath:[] Parallel:1 BatchSize:512 '
    "FlashAttention:Enabled KvSize:4096 KvCacheType: NumThreads:8 GPULayers:[] "
    'MultiUserCache:false ProjectorPath: MainGPU:0 UseMmap:false}"'
)

CHECKED: dict[str, tuple[Model | str, dict[str, Any], str, int]] = {
    "lmstudio-bug-tracker#1862": (
        QWEN_27B,
        {},
        "llama_kv_cache: size = 16384.00 MiB (262144 cells, 16 layers, 4/1 seqs)\n"
        "llama_memory_recurrent: size = 598.50 MiB (4 cells, 64 layers, 4 seqs)",
        2,
    ),
    "ggml-org/llama.cpp#22546": (
        QWEN_9B,
        {},
        "llama_memory_recurrent:      CUDA0 RS buffer size =    50.25 MiB\n"
        "llama_memory_recurrent: size =   50.25 MiB (     1 cells,  32 layers,  1 seqs), "
        "R (f32):    2.25 MiB, S (f32):   48.00 MiB",
        4,
    ),
    "ggml-org/llama.cpp#22673 and #23269": (QWEN_35B, {}, MTP_LOG, 12),
    "ggml-org/llama.cpp#26382": (
        GLM,
        {"release": "b10242"},
        "llama_kv_cache_dsa: creating indexer KV cache, size = 65536 cells\n"
        "llama_kv_cache: size =  663.00 MiB ( 65536 cells,  78 layers,  1/1 seqs), "
        "K (q8_0):  663.00 MiB, V (q8_0):    0.00 MiB",
        3,
    ),
    "ollama#14510, its own engine": (
        "qwen3-30b-a3b",
        {},
        f'{OLLAMA_LOAD}\nmsg="kv cache" device=CPU size="384.0 MiB"',
        1,
    ),
    "the same over two devices": (
        "qwen3-30b-a3b",
        {},
        f'{OLLAMA_LOAD}\nmsg="kv cache" device=CUDA0 size="256.0 MiB"\n'
        'msg="kv cache" device=CPU size="128.0 MiB"',
        1,
    ),
    "Ollama's newer runner": (
        "qwen3-30b-a3b",
        {},
        'msg="starting llama-server" cmd="llama-server --model b -c 131072 -np 4 --cache-type-k '
        'q8_0 --cache-type-v q8_0 --flash-attn on"\n'
        "llama_kv_cache: size = 6528.00 MiB ( 32768 cells,  48 layers,  4/4 seqs), "
        "K (q8_0): 3264.00 MiB, V (q8_0): 3264.00 MiB",
        3,
    ),
    "the same, with its micro-batch on top of windows": (
        "gemma-3-27b",
        {},
        'msg="starting llama-server" cmd="llama-server --model b -c 65536 -np 1 --flash-attn auto '
        '-b 2048 -ub 2048"\n'
        "llama_kv_cache_iswa: creating     SWA KV cache, size = 3072 cells",
        1,
    ),
}


@pytest.mark.parametrize(("of", "given", "log", "agree"), CHECKED.values(), ids=CHECKED)
def test_a_log_agrees(of: Model | str, given: dict[str, Any], log: str, agree: int) -> None:
    verdicts = [row.verdict for row in checked(log.splitlines(), loaded(of), given)]
    assert verdicts == [AGREES] * agree


TARGET = "llama_kv_cache: size = 4.00 MiB ( 8192 cells, 2 layers, 1/1 seqs)"

NOT_CHECKED: dict[str, tuple[Model, str, str]] = {
    "a draft model's cache": (
        TINY,
        f"{TARGET}\nsrv load_model: loading draft model 'd.gguf'\n"
        "llama_context: n_seq_max = 1\n"
        "llama_kv_cache: size = 2.00 MiB ( 8192 cells, 1 layers, 1/1 seqs)",
        "of the draft, which is another model",
    ),
    "a second context": (
        TINY,
        f"{TARGET}\nllama_context: n_seq_max = 1\n"
        "llama_kv_cache: size = 2.00 MiB ( 8192 cells, 1 layers, 1/1 seqs)",
        "a further context, maybe of another model",
    ),
    "a context that was only tried": (
        TINY,
        f"llama_kv_cache:        CPU KV buffer size =     0.00 MiB\n{TARGET}",
        "nothing was allocated, as where --fit tries a context (no_alloc)",
    ),
    "windows in Ollama's own engine": (
        kvcalc.load("mistral-7b-v0.1"),
        f'{OLLAMA_LOAD}\nmsg="kv cache" device=CPU size="120.0 MiB"',
        "how Ollama's own engine lays out other than full layers is not known",
    ),
    "Ollama's cache without its request": (
        TINY,
        'msg="kv cache" device=CPU size="120.0 MiB"',
        "the load request (KvSize) is missing",
    ),
}


@pytest.mark.parametrize(("of", "log", "why"), NOT_CHECKED.values(), ids=NOT_CHECKED)
def test_what_is_not_the_models_own_cache_is_never_said_to_differ(
    of: Model, log: str, why: str
) -> None:
    rows = checked(log.splitlines(), of)
    assert {row.verdict for row in rows} <= {AGREES, CANNOT}
    assert {row.why for row in rows if row.verdict == CANNOT} == {why}


def test_an_ollama_cache_of_another_size_differs() -> None:
    log = f'{OLLAMA_LOAD}\nmsg="kv cache" device=CPU size="384.2 MiB"'
    (row,) = checked(log.splitlines(), kvcalc.load("qwen3-30b-a3b"))
    assert row.verdict == "differs"


def test_a_log_without_caches_says_how_they_are_printed() -> None:
    log = "I srv load_model: initializing, n_slots = 2, n_ctx_slot = 2048, kv_unified = 'false'\n"
    with pytest.raises(SourceError, match="llama-server prints its caches from -lv 4 on"):
        kvcalc.check(io.BytesIO(log.encode()))


REFUSED: dict[str, tuple[Any, str]] = {
    "taOS#144, turbo types": (
        lambda: kvcalc.cost(TINY, "llama.cpp", kv_cache_dtype="turbo4"),
        "turbo4",
    ),
    "a projector": (lambda: kvcalc.load(f"{GGUF}/mmproj-F16.gguf"), "projector"),
    "an adapter": (lambda: kvcalc.load(f"{GGUF}/lora.gguf"), "LoRA adapter"),
    "a word that may set slots": (
        lambda: read("llama-server -m t.gguf --slot-thing 3"),
        "--slot-thing",
    ),
    "another program": (lambda: read("koboldcpp --model t.gguf"), "koboldcpp"),
}


@pytest.mark.parametrize(("asked", "named"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_understood_is_refused_by_name(asked: Any, named: str) -> None:
    with pytest.raises(KvcalcError, match=named):
        asked()
