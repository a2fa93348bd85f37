"""llama-server's command line: what of it says something of the cache, read and written.

Flags are those of llama.cpp's common/arg.cpp (2026-10-01, commit 0c1e570), defaults those of
tools/server/server.cpp. Flags that change what is loaded in ways not followed here
(`--override-kv`, `--hf-file`, `--kv-unified-per-slot`) stand in no table, so they are named.
"""

from kvcalc.engines.llama_cpp.cells import PAD
from kvcalc.engines.llama_cpp.ignored_flags import IGNORED, SAID
from kvcalc.engines.llama_cpp.option_values import TAKES
from kvcalc.engines.server import MODEL, Asked, Server, Wanted
from kvcalc.errors import RequestError, quote
from kvcalc.model import Model

SLOTS = 4
"""Without -np llama-server makes so many slots, in one unified buffer."""

DRAFTED = 3
"""Tokens that a draft is asked for unless --spec-draft-n-max says otherwise (common/common.h)."""

ROLLS_BACK = frozenset({"draft-mtp", "draft-eagle3", "draft-dflash", "draft-dspark"})
"""Kinds of speculative decoding that want spare recurrent states (need_n_rs_seq)."""


def _values(names: dict[str, str]) -> dict[str, str]:
    return {flag: what for flags, what in names.items() for flag in flags.split()}


VALUES = _values(
    {
        "-m --model -mu --model-url -hf -hfr --hf-repo": "model",
        "-c --ctx-size": "context",
        "-np --parallel": "sequences",
        "-b --batch-size": "batch_size",
        "-ub --ubatch-size": "ubatch_size",
        "-ctk --cache-type-k": "cache_type_k",
        "-ctv --cache-type-v": "cache_type_v",
        "-fa --flash-attn": "flash_attn",
        "-sm --split-mode": "split_mode",
        "-ts --tensor-split": "tensor_split",
        "-ngl --gpu-layers --n-gpu-layers": "n_gpu_layers",
        "--spec-type": "spec_type",
        "--spec-draft-n-max --draft --draft-n --draft-max": "spec_draft_n_max",
    }
)
"""What each flag with a value gives; `finish` makes n_rs_seq of the last two."""

SWITCHES = {
    "--swa-full": ("swa_full", True),
    "-kvu": ("kv_unified", True),
    "--kv-unified": ("kv_unified", True),
    "-no-kvu": ("kv_unified", False),
    "--no-kv-unified": ("kv_unified", False),
    "-kvo": ("offload_kqv", True),
    "--kv-offload": ("offload_kqv", True),
    "-nkvo": ("offload_kqv", False),
    "--no-kv-offload": ("offload_kqv", False),
}


ANY_SLOT = "any of them may use all of it"
"""What one buffer for all slots gives each (tools/server/server-context.cpp, n_ctx_slot)."""


def finish(asked: Asked) -> Asked:
    """Make of what was asked what llama-server makes of it.

    Raises:
        RequestError: more slots than tokens, or a count below 1.
    """
    settings, notes = asked.settings, asked.notes
    if asked.sequences is None or asked.sequences < 0:
        asked.sequences = SLOTS
        settings["kv_unified"] = True
        notes.append(f"llama-server: without -np it makes {SLOTS} slots in one unified buffer")
    unified = settings.get("kv_unified", False)
    if asked.sequences < 1:
        raise RequestError.about(
            "-np", f"found {asked.sequences}, expected at least 1 slot", found=asked.sequences
        )
    if asked.context == 0:
        asked.context = None
    if asked.context is None:
        asked.shares_maximum = True
        notes.append(
            "llama-server: without -c its slots share the model's own context, or less to fit the "
            "memory" + (f"; {ANY_SLOT}" if unified else "")
        )
    elif asked.context > 0:
        asked.context, of_all = _of_one(asked.context, asked.sequences, unified), asked.context
        each = f"each of {asked.sequences} gets {asked.context:,} tokens"
        if unified:
            each = f"{ANY_SLOT}, and {asked.sequences} of {asked.context:,} tokens fill it"
        notes.append(f"llama-server: -c {of_all:,} counts all slots, so {each}")
    kinds = str(settings.pop("spec_type", "")).split(",")
    drafted = settings.pop("spec_draft_n_max", DRAFTED)
    if ROLLS_BACK & set(kinds):
        settings["n_rs_seq"] = drafted
        notes.append(
            f"llama-server: {quote(drafted)} drafted tokens; the draft's own context comes on top "
            "(ctx_type=mtp gives it for the model's own NextN layers)"
        )
    return asked


def _of_one(context: int, sequences: int, unified: bool) -> int:
    """Part -c among slots: the tokens of one that take the cells which -c takes of all."""
    down = context // sequences
    padded = -(-context // PAD) * PAD
    if unified:
        same = -(-down * sequences // PAD) * PAD == padded
    else:
        same = -(-down // PAD) == -(-(padded // sequences) // PAD)
    return down if down and same else down + 1


def prepare(wanted: Wanted) -> Wanted:
    """Turn settings into what llama-server's flags give: the way back of `finish`.

    -c counts all slots; kv_cache_dtype is the type of both K and V where they have none of their
    own; drafted tokens are the MTP head's, of a model that has one.
    """
    given = wanted.given
    if "context" in given:
        given["context"] *= given.get("sequences", 1)
    common = given.pop("kv_cache_dtype", None)
    if common is not None:
        given.setdefault("cache_type_k", common)
        given.setdefault("cache_type_v", common)
    if given.get("flash_attn") is False:
        given["flash_attn"] = "off"
    if "tensor_split" in given:
        given["tensor_split"] = [_proportion(part) for part in given["tensor_split"]]
    if wanted.model.num_nextn_predict_layers and "n_rs_seq" in given:
        given |= {"spec_type": "draft-mtp", "spec_draft_n_max": given.pop("n_rs_seq")}
    return wanted


def _proportion(part: float) -> str:
    return repr(part).removesuffix(".0")


def file_or_repository(model: Model, source: str | None) -> tuple[str, ...]:
    """Name what llama-server loads: a GGUF file as given, one of the Hub's, or one by its preset.

    A preset's file has the preset's name; of a repository only one that holds GGUF files will do.
    """
    if source is not None and source.endswith(".gguf"):
        return "--model", source
    hub_id = model.hub_id or ""
    if ":" in hub_id or hub_id.lower().endswith("gguf"):
        return "--hf-repo", hub_id
    known = hub_id and "/" not in model.name
    return "--model", f"{model.name if known else MODEL}.gguf"


SERVER = Server(
    start="llama-server {model}",
    values=VALUES,
    takes=TAKES,
    switches=SWITCHES,
    harmless=IGNORED,
    said=SAID,
    names=file_or_repository,
    finish=finish,
    prepare=prepare,
)
