"""The command line of ExLlamaV3's own chat.py and perf.py (1.6.5: model_init.py, add_args)."""

from kvcalc.engines.exllamav3.server import DRAFTED, READ_ONLY, count, hold
from kvcalc.engines.server import Server
from kvcalc.engines.server.asked import Asked

CACHE_SIZE = 32_768
"""What both give add_args as the default of `--cache_size`."""

DRAFTS = ("num_draft_tokens", "ngram_match_min", "hybrid_draft_tokens")
"""Flags that say how many tokens are drafted without a draft model."""

IGNORED = {
    "on which GPU a layer's weights and cache lie: the count is of all GPUs": {
        0: "-asnf --autosplit_no_forward -mcpa --moe_cpu_pinned_arena -tp_moe_ts "
        "--tp_moe_tensor_split",
        1: "-gs --gpu_split -mcl --moe_cpu_offload -mcs --moe_cpu_split -mct --moe_cpu_threads "
        "-tpb --tp_backend -tp_attn --tp_max_parallelism_attn -tp_mlp --tp_max_parallelism_mlp "
        "-tp_moe --tp_max_parallelism_moe -tp_linear --tp_max_parallelism_linear "
        "-tp_linear_attn --tp_max_parallelism_linear_attn",
    },
    "which weights are loaded, and what is said of it": {
        0: "-lm --load_metrics -lv --load_verbose -nw --no_warmup -ngl --ngram_lock -ngr "
        "--ngram_ram -embd --embed_disk",
        1: "-or --override",
    },
    "how much of a prompt is read at once: a request's pages hold it whole": {
        1: "-chunk_size --chunk_size"
    },
    "which values a packed element has, not its size": {1: "-cca --cache_compand_a"},
    "how often a draft is tried, and from what": {
        0: "-dds --dynamic_draft",
        1: "-ngram_corpus --ngram_corpus -sdh --sparse_draft_head -dc --draft_confidence "
        "-dmcl --draft_moe_cpu_layers",
    },
    "how the next token is drawn": {
        0: "-temp_first --temperature_first",
        1: "-temp --temperature -repp --repetition_penalty -presp --presence_penalty -freqp "
        "--frequency_penalty -penr --penalty_range -minp --min_p -topk --top_k -topp --top_p "
        "-adaptive_target --adaptive_target -adaptive_decay --adaptive_decay",
    },
    "the text of a chat and how it is shown: its tokens are the context": {
        0: "-modes --modes -mli --multiline -basic --basic_console -think --think -no_think "
        "--no_think -amnesia --amnesia -tps --show_tps -save_svg --save_svg -dbg --debug "
        "-vis --visualize_cache",
        1: "-mode --mode -un --user_name -bn --bot_name -sp --system_prompt -maxr "
        "--max_response_tokens -think_budget --think_budget -probs --probs -prompt --prompt "
        "-save --save -ups --updates-per-second -lw --loop_window -lmr --loop_min_reps",
    },
}
"""By reason, and by how many values each takes."""


def finish(asked: Asked) -> Asked:
    """Take the default cache size, and what drafts need (model_init.py, init)."""
    settings = asked.settings
    if "cache_size" not in settings:
        asked.notes.append(f"its default --cache_size is {CACHE_SIZE:,}")
    size = settings.setdefault("cache_size", CACHE_SIZE)
    drafts = {name: count(settings.pop(name, 0), f"--{name}") for name in DRAFTS}
    given = drafts["num_draft_tokens"]
    matched = (given or DRAFTED) if drafts["ngram_match_min"] else 0
    drafted = settings["num_draft_tokens"] = max(matched, drafts["hybrid_draft_tokens"])
    settings["max_history"] = max(drafted, given)
    slots = settings.get("autosplit_max_batch_size", 1)
    return hold(asked, count(size, "--cache_size"), count(slots, "--autosplit_max_batch_size"))


EXAMPLES = Server(
    start="python examples/chat.py -m {model}",
    values={
        **dict.fromkeys(("-m", "--model_dir"), "model"),
        **dict.fromkeys(("-cs", "--cache_size"), "cache_size"),
        **dict.fromkeys(("-cq", "--cache_quant"), "cache_quant"),
        **dict.fromkeys(("-ambs", "--autosplit_max_batch_size"), "autosplit_max_batch_size"),
        **dict.fromkeys(("-ndt", "--num_draft_tokens"), "num_draft_tokens"),
        **dict.fromkeys(("-ngram", "--ngram_match_min"), "ngram_match_min"),
        **dict.fromkeys(("-hdt", "--hybrid_draft_tokens"), "hybrid_draft_tokens"),
    },
    takes={},
    switches={
        **dict.fromkeys(("-rs32", "--recurrent_state_fp32"), ("recurrent_state_fp32", True)),
        **dict.fromkeys(("-swa_full", "--swa_full"), ("swa_full", True)),
    },
    harmless=IGNORED,
    said={
        "host memory or a disk, which is not counted here": {
            1: "-ccs --cpu_cache_size -dcd --disk_cache_dir -dcs --disk_cache_size -rcs "
            "--recurrent_cache_size"
        }
    },
    refused={
        READ_ONLY: {
            0: "-tp --tensor_parallel -mtp --mtp",
            1: "-dm --draft_model_dir",
        },
        "each layer that it repeats has a cache of its own, which is not counted": {
            1: "-layer_map --layer_map"
        },
    },
    decides=r"cache|seq|batch|draft|quant|parallel",
    abbreviates=True,
    finish=finish,
)
