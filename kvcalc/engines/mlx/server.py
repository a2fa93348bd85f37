"""The command lines of mlx_lm's programs (0.32.2: server.py, generate.py). None gives the context.

The server holds what the others do not: caches of earlier prompts.
"""

from collections.abc import Mapping

from kvcalc.engines.mlx.ignored_flags import IGNORED
from kvcalc.engines.mlx.models import CHUNKED
from kvcalc.engines.server import Server
from kvcalc.engines.server.asked import Asked, Beside, Wanted
from kvcalc.engines.server.option_values import Choices, Takes, Whole
from kvcalc.errors import quote
from kvcalc.model import Model

EARLIER_PROMPTS = (
    "mlx_lm.server: the caches of earlier prompts stay in the same memory, and are not counted: up "
    "to 10, or as many as --prompt-cache-size (0 keeps none) and --prompt-cache-bytes say"
)

WHOLE_LAYERS = "each Mac then holds whole layers, and how many is not counted"

IN_A_FILE = "the context is to count the tokens in it, too"

VALUES = {
    "--model": "model",
    "--prefill-step-size": "prefill_step_size",
    "--kv-bits": "kv_bits",
    "--kv-group-size": "kv_group_size",
    "--quantized-kv-start": "quantized_kv_start",
    "--draft-model": "draft_model",
}
"""What the flags give that several of the programs have."""

ALONE = {"--kv-bits": "kv_bits", "--draft-model": "draft_model"}
"""Flags with which the server runs one request at a time, by what they give."""

TAKES: Mapping[str, Takes] = {
    "prefill_step_size": Whole("server.py"),
    "kv_bits": Choices("mlx.core.quantize: bits", ("1", "2", "3", "4", "5", "6", "8")),
    "kv_group_size": Choices("mlx.core.quantize: group_size", ("32", "64", "128")),
    "quantized_kv_start": Whole("server.py", least=0),
}


def finish_alone(asked: Asked) -> Asked:
    """Read the draft: caches of its own beside the model's, of which none is bounded then.

    They hold the same tokens, packed alike (generate.py, stream_generate and
    speculative_generate_step).
    """
    draft = asked.settings.pop("draft_model", None)
    if draft is not None:
        if asked.settings.pop("max_kv_size", None) is not None:
            asked.notes.append("mlx_lm: beside --draft-model, --max-kv-size bounds nothing")
        asked.beside.append(Beside(f"the draft {quote(draft)}", draft, dict(asked.settings)))
    return asked


def _alone(model: Model) -> bool:
    """Whether caches of the model's kind are in no batch (models/cache.py, merge)."""
    return model.model_type in CHUNKED


def finish(asked: Asked) -> Asked:
    """Make of what was asked what mlx_lm.server makes of it (server.py, _is_batchable).

    Only of a batch are earlier prompts cut to --prompt-cache-bytes (_generate).
    """
    one_by_one = next((flag for flag, what in ALONE.items() if what in asked.settings), None)
    asked = finish_alone(asked)
    if one_by_one is not None and (asked.sequences or 1) > 1:
        asked.sequences = 1
        asked.notes.append(f"mlx_lm.server: with {one_by_one} it runs one request at a time")
    asked.alone = _alone
    if asked.passed.get("--prompt-cache-size") != "0":
        asked.notes.append(EARLIER_PROMPTS)
    if one_by_one is not None and "--prompt-cache-bytes" in asked.passed:
        asked.notes.append(
            f"mlx_lm.server: beside {one_by_one}, --prompt-cache-bytes bounds nothing"
        )
    return asked


def prepare(wanted: Wanted) -> Wanted:
    """Name several sequences where no flag makes the server run them at once."""
    alone = _alone(wanted.model) or wanted.given.get("kv_bits") is not None
    if alone and wanted.given.get("sequences", 1) > 1:
        del wanted.given["sequences"]
        wanted.unsaid.append("sequences")
    return wanted


SERVER = Server(
    start="mlx_lm.server --model {model}",
    values={**VALUES, "--decode-concurrency": "sequences"},
    takes={**TAKES, "sequences": Whole("server.py, --decode-concurrency")},
    harmless={
        **IGNORED,
        "caches of earlier prompts, of which a note tells": {
            1: "--prompt-cache-bytes --prompt-cache-size",
        },
    },
    said={WHOLE_LAYERS: {0: "--pipeline"}},
    refused={"mlx_lm.server has no such flag, mlx_lm.generate has": {1: "--max-kv-size"}},
    finish=finish,
    prepare=prepare,
)

ONE_SEQUENCE = Server(
    start="mlx_lm.generate --model {model}",
    values={**VALUES, "--max-kv-size": "max_kv_size"},
    takes={**TAKES, "max_kv_size": Whole("generate.py, --max-kv-size")},
    harmless=IGNORED,
    said={WHOLE_LAYERS: {0: "--pipeline"}, IN_A_FILE: {1: "--prompt-cache-file"}},
    finish=finish_alone,
)
"""mlx_lm.generate and mlx_lm.chat, which run one sequence and hold nothing of earlier prompts."""
