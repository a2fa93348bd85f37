"""llama.cpp's builds from b5308 to b11312, and what of the cache's arithmetic changed at each.

A release is a build number: the commits up to it (`git rev-list --count HEAD`, which
cmake/build-info.cmake calls BUILD_NUMBER), as a log prints it and as images are tagged. b5308 is
llama.cpp in llama-cpp-python 0.3.9, b11312 in 0.3.36; others that were read are b6170 (0.3.16),
b8475 (0.3.17), b9445 (0.3.24), b9976 (0.3.34) and b10454 (0.3.35). A row stands at the build in
which the change was merged, with its pull request, up to b10587; what changed after that stands at
b11312, where it was read. Files are below src/ unless they say otherwise.

`models` are GGUF architectures by the build that knows them, or model types, where files of others
have the architecture too. A model type that a later converter made one of an older architecture is
not refused.
"""

from kvcalc.engines.engine import names
from kvcalc.engines.llama_cpp.rules import (
    by_kernel,
    four_for_one,
    four_for_one_without_draft,
    four_unless_asked,
    one_slot,
    output_first,
    output_last,
    output_unread,
    to_256,
    unpadded,
)
from kvcalc.engines.releases import Change, Release, Releases

MODEL = "llama-model.cpp (create_memory)"
LOADER = "llama-model.cpp (load_tensors)"
CACHE = "llama-kv-cache.cpp"
CONTEXT = "llama-context.cpp"
WINDOWS = "llama-kv-cache-iswa.cpp"
ARCHITECTURES = "llama-arch.cpp"
HPARAMS = "llama-hparams.cpp"
SERVER = "tools/server/server.cpp"
COMMON = "common/common.h"
NONE: frozenset[str] = frozenset()

HELD_FROM_9523 = names("bailingmoe2 deepseek32 exaone-moe exaone4 glm-dsa glm4 glm4moe")
"""Architectures whose files may have NextN layers, and no filter of their own yet at b9523."""

FIRST = Release(
    "b5308",
    rules={
        "padding": Change(
            by_kernel, "a context is whole 256 cells, or 32 without flash attention", CACHE
        ),
        "windows": Change("none", "sliding layers keep all cells", MODEL),
        "padded_values": Change(False, "V rows are as wide as they are", CACHE),
        "latent_values": Change(True, "latent attention keeps a V beside its K", CACHE),
        "sliding_types": Change(True, "sliding layers keep the types of the others", WINDOWS),
        "alike": Change(NONE, "K and V of any model may have different types", CONTEXT),
        "no_windows": Change(names("lfm2 olmo2"), "OLMo and LFM2 do not slide", "llama-model.cpp"),
        "nextn_held": Change(NONE, "NextN layers hold nothing in the main context", MODEL),
        "nextn_slides": Change(NONE, "no NextN layer slides in the main context", MODEL),
        "rollback": Change(NONE, "no states are kept to take drafted tokens back", ARCHITECTURES),
        "drafts": Change(NONE, "no NextN layers draft", MODEL),
        "indexed": Change("none", "GLM's indexer is not run", MODEL),
        "not_read": Change(NONE, "every cache was read", MODEL),
        "max_sequences": Change(64, "a context takes at most 64 sequences", "llama-cparams.h"),
        "slots": Change(one_slot, "llama-server has one slot", COMMON),
        "without_context": Change("4096", "without -c a context has 4,096 tokens", COMMON),
        "main_memory": Change(False, "llama-server keeps no earlier prompts", SERVER),
        "reserves_one": Change(
            names("kimi-linear"), "Kimi-Linear's graph is built for one sequence too", CONTEXT
        ),
        "shared_draft": Change(False, "each slot has a draft's context of its own", SERVER),
        "all_logits": Change(True, "a graph has room for the logits of each token", CONTEXT),
        "first_offloaded": Change(
            output_last, "n_gpu_layers counts the output after all layers", LOADER
        ),
    },
    defaults={
        "flash_attn": Change(False, "flash attention is off", COMMON),
        "swa_full": Change(False, "sliding layers keep a window's cells", COMMON),
        "kv_unified": Change(False, "each sequence has a stream of its own", COMMON),
    },
)

ROWS = (
    FIRST,
    Release(
        "b5429",
        rules={
            "windows": Change(
                "batch",
                "sliding layers keep their window and a batch",
                f"llama-kv-cache.cpp, {MODEL} (#13194)",
                back=("swa_full", True),
            ),
            "not_read": Change(
                names("phi3"), "Phi-3 slides for a few builds, which was not read", MODEL
            ),
        },
        settings={"swa_full": (True,)},
    ),
    Release(
        "b5440",
        rules={"not_read": Change(NONE, "Phi-3 no longer slides (#13676)", MODEL)},
    ),
    Release(
        "b5554",
        rules={
            "windows": Change(
                "micro-batch",
                "sliding layers keep their window and a micro-batch",
                "llama-kv-cache.cpp (#13833)",
            ),
        },
    ),
    Release("b5668", models=("dots1",)),
    Release("b5674", models=("arcee",)),
    Release("b5682", models=("neo-bert",)),
    Release("b5763", models=("gemma3n",)),
    Release("b5771", models=("ernie4_5",)),
    Release("b5812", models=("mamba2",)),
    Release("b5843", models=("hunyuan-moe",)),
    Release("b5847", models=("smollm3",)),
    Release("b5851", models=("falcon-h1",)),
    Release("b5856", models=("jamba",)),
    Release("b5868", models=("granitehybrid",)),
    Release("b5873", models=("lfm2",)),
    Release("b5899", models=("plamo2",)),
    Release("b5912", models=("dream",)),
    Release(
        "b5913",
        rules={
            "padded_values": Change(
                True,
                "without flash attention V rows are as wide as the widest of the model",
                "llama-kv-cache-unified.cpp (#14363)",
                back=("flash_attn", True),
            ),
        },
    ),
    Release("b5924", models=("ernie4_5-moe",)),
    Release("b5931", models=("exaone4",)),
    Release("b6012", models=("smallthinker",)),
    Release("b6042", models=("llada",)),
    Release("b6058", models=("hunyuan-dense",)),
    # Streams came with b5913, but only where LLAMA_SET_ROWS was set, which b6071 turns on.
    Release("b6071", settings={"kv_unified": (True,)}),
    Release("b6085", models=("glm4moe",)),
    Release("b6096", models=("gpt-oss",)),
    Release("b6257", models=("seed_oss",)),
    Release("b6309", models=("jina-bert-v3",)),
    Release("b6315", models=("nemotron_h",)),
    Release(
        "b6325",
        defaults={
            "flash_attn": Change(
                True, "flash attention is on where the device has it (#15434)", COMMON
            )
        },
    ),
    Release("b6384", models=("gemma-embedding",)),
    Release("b6483", models=("llada-moe",)),
    Release(
        "b6492",
        rules={
            "no_windows": Change(
                names("lfm2"), "OLMo 3 slides (#16015)", "llama-model.cpp", back=("swa_full", True)
            )
        },
        models=("olmo3",),
    ),
    Release(
        "b6507",
        rules={
            "max_sequences": Change(
                256, "a context takes at most 256 sequences", "llama-cparams.h (#15916)"
            )
        },
    ),
    Release("b6586", models=("grovemoe",)),
    Release("b6671", models=("apertus",)),
    Release("b6709", models=("lfm2moe",)),
    Release(
        "b6723",
        rules={
            "main_memory": Change(
                True, "llama-server keeps earlier prompts in main memory", f"{SERVER} (#16391)"
            )
        },
    ),
    Release("b6810", models=("bailingmoe2",)),
    Release(
        "b6868",
        rules={"padding": Change(unpadded, "a context is not padded", f"{MODEL} (#16812)")},
    ),
    Release("b6885", models=("cogvlm",)),
    Release("b6887", models=("qwen3vl", "qwen3vlmoe")),
    Release("b6906", models=("minimax-m2",)),
    Release(
        "b6925",
        rules={
            "slots": Change(
                four_for_one,
                "llama-server makes four slots in one buffer of one slot",
                f"{SERVER} (#16736)",
            )
        },
    ),
    Release("b6955", models=("pangu-embedded",)),
    Release(
        "b6958",
        rules={
            "slots": Change(
                four_for_one_without_draft,
                "llama-server leaves one slot where it drafts",
                f"{SERVER} (#17017)",
            )
        },
    ),
    Release(
        "b6975",
        rules={"padding": Change(to_256, "a context is whole 256 cells", f"{CONTEXT} (#17046)")},
    ),
    Release("b7061", models=("afmoe",)),
    Release("b7140", models=("rnd1",)),
    Release("b7186", models=("qwen3next",)),
    Release("b7216", models=("ministral3",)),
    Release(
        "b7407",
        rules={
            "without_context": Change(
                "together",
                "without -c all slots together have the model's own context",
                f"{COMMON} (#16653)",
            )
        },
    ),
    Release("b7418", models=("nemotron_h_moe",)),
    Release(
        "b7433",
        rules={
            "slots": Change(
                four_unless_asked,
                "llama-server has four slots in one buffer unless their number is given",
                f"{SERVER}, common/arg.cpp (#17997)",
            )
        },
    ),
    Release(
        "b7447",
        rules={
            "first_offloaded": Change(
                output_unread,
                "in some build up to b7475 n_gpu_layers begins to count the output first",
                f"{LOADER} (#18148)",
            )
        },
    ),
    Release(
        "b7475",
        rules={
            "first_offloaded": Change(
                output_first,
                "n_gpu_layers counts the output first, and then the last layers",
                f"{LOADER} (#18148)",
            )
        },
    ),
    Release("b7515", models=("modern-bert",)),
    Release("b7531", models=("llama-embed",)),
    Release("b7534", models=("mimo2",)),
    Release("b7563", models=("plamo3",)),
    Release("b7614", models=("maincoder",)),
    Release(
        "b7727",
        rules={
            "nextn_slides": Change(
                names("exaone-moe"), "K-EXAONE's NextN layer slides in the main context", MODEL
            )
        },
        models=("exaone-moe",),
    ),
    Release(
        "b7832",
        rules={
            "latent_values": Change(
                False, "latent attention keeps no V beside its K", f"{CACHE} (#19067)"
            )
        },
    ),
    Release("b7957", models=("kimi-linear",)),
    Release("b7964", models=("step35",)),
    Release("b7990", models=("qwen35", "qwen35moe")),
    Release("b8036", models=("glm-dsa",)),
    Release(
        "b8102",
        rules={
            "no_windows": Change(
                NONE, "LFM2 slides (#19687)", "llama-model.cpp", back=("swa_full", True)
            )
        },
    ),
    Release("b8106", models=("jais2",)),
    Release("b8110", models=("paddleocr",)),
    Release("b8160", models=("eurobert",)),
    Release("b8388", models=("mistral4",)),
    Release("b8530", models=("deepseek2-ocr",)),
    Release(
        "b8633",
        rules={
            "sliding_types": Change(
                False, "sliding layers keep f16, whatever the types", f"{WINDOWS} (#21277)"
            )
        },
    ),
    Release("b8637", models=("gemma4",)),
    Release(
        "b8644",
        rules={
            "sliding_types": Change(
                True, "sliding layers keep the types of the others", f"{WINDOWS} (#21332)"
            )
        },
    ),
    Release("b8738", values={"split_mode": ("tensor",)}),
    Release("b8885", models=("hunyuan_vl",)),
    # Merged on 1 June 2026, after b9014 of 4 May: from there on it is not held to be otherwise.
    Release(
        "b9015",
        rules={
            "all_logits": Change(
                False,
                "llama-server's graph may have room for the logits of last tokens alone",
                "src/llama-context.cpp (#23861)",
            )
        },
    ),
    Release(
        "b9109",
        rules={
            "shared_draft": Change(
                True,
                "all slots share a draft's context",
                "tools/server/server-context.cpp (#22838)",
            )
        },
    ),
    Release(
        "b9180",
        rules={
            "rollback": Change(
                names("qwen35 qwen35moe"),
                "Qwen3.5 keeps states to take drafted tokens back",
                f"{ARCHITECTURES} (#22673)",
            ),
            "drafts": Change(
                names("qwen35 qwen35moe"), "Qwen3.5's NextN layers draft", f"{MODEL} (#22673)"
            ),
        },
        settings={"n_rs_seq": (0,), "ctx_type": ("default",)},
    ),
    Release("b9337", models=("talkie",)),
    Release("b9411", models=("deepseek32",)),
    Release(
        "b9480",
        rules={"not_read": Change(names("step35"), "Step's NextN layers are not filtered", MODEL)},
    ),
    Release("b9482", models=("mellum",)),
    Release(
        "b9512",
        rules={
            "not_read": Change(NONE, "Step's NextN layers are filtered (#24125)", MODEL),
            "drafts": Change(
                names("qwen35 qwen35moe step35"), "Step's NextN layers draft", f"{MODEL} (#24125)"
            ),
        },
    ),
    Release(
        "b9523",
        rules={
            "nextn_held": Change(
                HELD_FROM_9523,
                "NextN layers that no filter leaves out are in the main context",
                f"{HPARAMS}, {MODEL} (#24060)",
            ),
            "nextn_slides": Change(NONE, "NextN layers see all", f"{HPARAMS} (#24060)"),
            "not_read": Change(
                names("mimo2"), "MiMo's NextN layers are not filtered", f"{MODEL} (#24060)"
            ),
        },
    ),
    Release(
        "b9626",
        rules={
            "nextn_held": Change(
                HELD_FROM_9523 | names("cohere2moe"),
                "Cohere2's NextN layers are in the main context",
                f"{MODEL} (#24260)",
            )
        },
        models=("cohere2moe",),
    ),
    Release(
        "b9840",
        rules={
            "not_read": Change(
                names("deepseek4 mimo2"), "DeepSeek V4's first cache was not read", MODEL
            )
        },
        models=("deepseek4",),
    ),
    Release(
        "b9993",
        rules={
            "drafts": Change(
                names("hy_v3 qwen35 qwen35moe step35"), "Hy3's NextN layers draft", MODEL
            )
        },
        models=("hy_v3",),
    ),
    Release("b10087", models=("laguna",)),
    Release(
        "b10119",
        rules={
            "indexed": Change(
                "all layers", "all layers of GLM have an indexer's cache", f"{MODEL} (#25407)"
            )
        },
    ),
    Release(
        "b10135",
        rules={
            "not_read": Change(
                names("deepseek4 mimo2 minimax-m3"), "MiniMax M3's first cache was not read", MODEL
            )
        },
        models=("minimax-m3",),
    ),
    Release("b10153", models=("nanbeige",)),
    Release(
        "b10174",
        rules={
            "nextn_held": Change(
                HELD_FROM_9523 - names("glm-dsa") | names("cohere2moe"),
                "GLM-5's NextN layer is not in the main context",
                f"{MODEL} (#25980)",
            ),
            "drafts": Change(
                names("glm-dsa hy_v3 qwen35 qwen35moe step35"), "GLM-5's NextN layer drafts", MODEL
            ),
        },
    ),
    Release(
        "b10184",
        rules={
            "not_read": Change(
                names("deepseek4 minimax-m3"), "MiMo's NextN layers are filtered (#26228)", MODEL
            )
        },
    ),
    Release(
        "b10206",
        rules={
            "alike": Change(
                names("compressed_attention"),
                "K and V of DeepSeek V4 must have one type",
                f"{CONTEXT} (#25871)",
            )
        },
    ),
    Release(
        "b10228",
        rules={
            "not_read": Change(names("minimax-m3"), "DeepSeek V4's cache was read", MODEL),
            "rollback": Change(
                names("deepseek4 qwen35 qwen35moe"),
                "DeepSeek V4 keeps states to take drafted tokens back",
                f"{ARCHITECTURES} (#25784)",
            ),
        },
    ),
    Release(
        "b10237",
        rules={
            "nextn_held": Change(
                HELD_FROM_9523 - names("deepseek32 glm-dsa") | names("cohere2moe"),
                "DeepSeek V3.2's NextN layer is not in the main context",
                f"{MODEL} (#26457)",
            ),
            "drafts": Change(
                names("deepseek32 glm-dsa hy_v3 qwen35 qwen35moe step35"),
                "DeepSeek V3.2's NextN layer drafts",
                f"{MODEL} (#26457)",
            ),
        },
    ),
    Release(
        "b10238",
        rules={
            "drafts": Change(
                names("deepseek32 glm-dsa hy_v3 qwen35 qwen35moe qwen3next step35"),
                "Qwen3-Next's NextN layer drafts",
                f"{MODEL} (#25589)",
            )
        },
    ),
    Release(
        "b10243",
        rules={
            "indexed": Change(
                "full layers",
                "only layers of GLM with an indexer of their own have its cache",
                f"{MODEL} (#26474)",
            )
        },
    ),
    Release(
        "b10244",
        rules={"not_read": Change(NONE, "MiniMax M3's cache was read (#26338)", MODEL)},
    ),
    Release(
        "b10251",
        rules={
            "nextn_held": Change(
                HELD_FROM_9523 - names("deepseek32 glm-dsa") | names("cohere2moe deepseek2"),
                "GLM-4.7-Flash's NextN layer is in the main context",
                f"{MODEL} (#24868)",
            )
        },
    ),
    Release(
        "b10344",
        rules={
            "drafts": Change(
                names("deepseek32 glm-dsa hy_v3 nemotron_h_moe qwen35 qwen35moe qwen3next step35"),
                "Nemotron's NextN layers draft",
                f"{MODEL} (#26725)",
            )
        },
    ),
    Release("b10349", models=("muse-glimmer",)),
    Release("b10369", models=("pockettts",)),
    Release(
        "b10431",
        rules={
            "rollback": Change(
                names("deepseek4 nemotron_h nemotron_h_moe qwen35 qwen35moe"),
                "Nemotron keeps states to take drafted tokens back",
                f"{ARCHITECTURES} (#26623)",
            )
        },
    ),
    Release("b10437", models=("minimax-01",)),
    Release("b10448", models=("kimi-k3",)),
    Release(
        "b10460",
        rules={
            "nextn_held": Change(
                HELD_FROM_9523 - names("deepseek32 glm-dsa")
                | names("bailingmoe3 cohere2moe deepseek2"),
                "Ling-3.0's NextN layer is in the main context",
                f"{MODEL} (#26608)",
            ),
            "drafts": Change(
                names(
                    "bailingmoe3 deepseek32 glm-dsa hy_v3 nemotron_h_moe qwen35 qwen35moe "
                    "qwen3next step35"
                ),
                "Ling-3.0's NextN layer drafts",
                f"{MODEL} (#26608)",
            ),
        },
        models=("bailingmoe3",),
    ),
    Release("b10514", models=("granite_swa",)),
    Release(
        "b10540",
        rules={
            "rollback": Change(
                names("deepseek4 lfm2 lfm2moe nemotron_h nemotron_h_moe qwen35 qwen35moe"),
                "LFM2 keeps states to take drafted tokens back",
                f"{ARCHITECTURES} (#27383)",
            )
        },
    ),
    Release("b10569", models=("dots3note",)),
    Release(
        "b10581",
        rules={
            "rollback": Change(
                names(
                    "bailingmoe3 deepseek4 lfm2 lfm2moe nemotron_h nemotron_h_moe qwen35 qwen35moe"
                ),
                "Ling-3.0 keeps states to take drafted tokens back",
                f"{ARCHITECTURES} (#27508)",
            )
        },
    ),
    Release(
        "b10584",
        rules={
            "without_context": Change(
                "each",
                "without -c each stream has the model's own context",
                "common/fit.cpp (#27496)",
            )
        },
    ),
    Release(
        "b10660",
        rules={
            "not_read": Change(
                names("qwen4exp"),
                "Qwen3.8-Flash-Next's first cache, with a V of its indexer, was not read",
                "llama-memory-hybrid-idx.cpp (#27742, #28330)",
            )
        },
        models=("qwen4exp",),
    ),
    Release(
        "b11312",
        rules={
            "not_read": Change(NONE, "every cache was read", MODEL),
            "alike": Change(
                names("compressed_attention latent_attention"),
                "K and V of latent attention must have one type",
                CONTEXT,
            ),
            "reserves_one": Change(
                names("kimi-linear minimax-01"),
                "MiniMax-01's graph is built for one sequence too",
                CONTEXT,
            ),
            "nextn_held": Change(
                names("bailingmoe3"), "NextN layers are filtered, but for Ling-3.0's", MODEL
            ),
            "rollback": Change(
                names(
                    "bailingmoe3 deepseek4 glm5-next kimi-k3 lfm2 lfm2moe nemotron_h "
                    "nemotron_h_moe qwen35 qwen35moe qwen4exp"
                ),
                "GLM-5-Next, Kimi-K3 and Qwen3.8 keep states to take drafted tokens back",
                ARCHITECTURES,
            ),
            "drafts": Change(
                names(
                    "bailingmoe3 cohere2moe deepseek2 deepseek32 glm-dsa glm4moe glm5-next hy_v3 "
                    "nemotron_h_moe qwen35 qwen35moe qwen3next step35"
                ),
                "NextN layers of more architectures draft in a context of their own",
                MODEL,
            ),
        },
        models=("glm5-next", "hrm_text", "hy_v4", "maple", "spark2_5"),
    ),
)

RELEASES = Releases("llama.cpp", newest="b11312", rows=ROWS)
