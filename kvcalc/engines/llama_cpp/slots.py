"""What llama.cpp's programs make of -np and -c: how many sequences, and how long each may be."""

import re
from typing import NamedTuple

from kvcalc.engines.llama_cpp.drafts import read_draft
from kvcalc.engines.llama_cpp.named_devices import read_devices
from kvcalc.engines.llama_cpp.rules import KEPT, Rules, one_slot
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.engines.server.asked import Asked
from kvcalc.errors import RequestError

CONTEXT = 4096
"""Tokens without -c before --fit (common/common.h, n_ctx)."""

EVERY_LAYER = 2**20
"""More layers than a model has: what --cpu-moe gives, as --n-cpu-moe gives a number."""

MAIN_MEMORY = frozenset(
    {
        *("--cache-ram", "-cram", "LLAMA_ARG_CACHE_RAM"),
        *("--ctx-checkpoints", "--swa-checkpoints", "-ctxcp", "LLAMA_ARG_CTX_CHECKPOINTS"),
    }
)
"""Flags and variables of which a note says what they keep in main memory."""

IN_MAIN_MEMORY = f"llama-server: main memory holds on top {KEPT}"

PROJECTORS = frozenset(
    {
        *("--mmproj", "--mmproj-url", "-mm", "-mmu", "--no-mmproj", "--no-mmproj-auto"),
        *("LLAMA_ARG_MMPROJ", "LLAMA_ARG_MMPROJ_URL"),
    }
)
"""Flags and variables that say which projector is loaded, or none."""

OF_A_FILE = frozenset(
    {"--model", "--model-url", "-m", "-mu", "LLAMA_ARG_MODEL", "LLAMA_ARG_MODEL_URL"}
)
"""Flags and variables that name a file; what else names a model names a repository."""

ITS_PROJECTOR = (
    "llama-server: if the repository has a projector for images (mmproj), that is loaded, too, and "
    "is not counted (--no-mmproj)"
)
"""What holds of a model that is named by its repository (common/arg.cpp, --mmproj-auto)."""

TRUE = {"on", "enabled", "true", "1"}
"""What common/arg.cpp takes for true."""

ANY_SLOT = "any of them may use all of it"
"""What one buffer for all slots gives each (tools/server/server-context.cpp, n_ctx_slot)."""

ALL_FAIL = "once it is full, every request in it fails"
"""None waits, and none gives way (tools/server/server-context.cpp, abort_all_slots)."""


class Program(NamedTuple):
    """A program of llama.cpp at its release.

    `unified` says whether its sequences share a buffer, `fits` whether --fit is on; a stream is
    whole `pad` cells.
    """

    name: str
    rules: Rules
    unified: bool
    pad: int
    fits: bool


def finish(asked: Asked) -> Asked:
    """Make of what was asked what llama-server makes of it.

    Raises:
        RequestError: a count below 1.
    """
    program = _program(asked, "llama-server")
    drafts = any(asked.settings.get(name) for name in ("spec_draft_model", "spec_draft_hf"))
    wanted = asked.sequences
    asked.sequences, unified = program.rules.slots(wanted, program.unified, drafts)
    if unified and not program.unified:
        asked.settings["kv_unified"] = True
        given = "without -np" if wanted is None or wanted < 0 else f"with -np {wanted}"
        asked.notes.append(
            f"llama-server: {given} it makes {asked.sequences} slots in one unified buffer"
        )
    asked = _contexts(asked, program._replace(unified=unified))
    if program.rules.main_memory and not MAIN_MEMORY & asked.passed.keys():
        asked.notes.append(IN_MAIN_MEMORY)
    if _loads_its_projector(asked):
        asked.notes.append(ITS_PROJECTOR)
    return asked


def _loads_its_projector(asked: Asked) -> bool:
    """Whether a repository names the model, and nothing says which projector is loaded."""
    if asked.named_by is None or asked.named_by in OF_A_FILE:
        return False
    automatic = asked.passed.get("LLAMA_ARG_MMPROJ_AUTO", "on").lower() in TRUE
    return automatic and not PROJECTORS & asked.passed.keys()


def finish_alone(asked: Asked) -> Asked:
    """Make of what was asked what the programs of one sequence make of it, as llama-cli."""
    asked.sequences = asked.sequences or 1
    return _contexts(asked, _program(asked, "llama.cpp"))


def _program(asked: Asked, name: str) -> Program:
    settings = asked.settings
    known = ("release", "kv_unified", "flash_attn")
    own = LlamaCppSettings(**{one: settings[one] for one in known if one in settings})
    fits = str(settings.pop("fit", "on")).lower() in TRUE
    if str(settings.pop("cpu_moe", "off")).lower() in TRUE:
        settings["n_cpu_moe"] = EVERY_LAYER
    pad = own.rules.padding(own.own("flash_attn"))
    return Program(name, own.rules, own.own("kv_unified"), pad, fits)


def _contexts(asked: Asked, program: Program) -> Asked:
    """Part -c among the slots; without it they have the model's own context, each or together."""
    if asked.sequences is None or asked.sequences < 1:
        raise RequestError.of("-np", asked.sequences, "at least 1 slot")
    limit = asked.settings.pop("kv_unified_per_slot", None)
    if limit is not None and asked.context is None:
        asked.context = asked.sequences * _count(limit)
    elif asked.context is None and program.rules.without_context == "4096":
        asked.context = CONTEXT
        asked.notes.append(f"{program.name}: without -c it takes {CONTEXT:,} tokens")
    if not asked.context:
        _without_context(asked, program)
    elif asked.context > 0:
        of_all = asked.context
        asked.context = _of_one(of_all, asked.sequences, program)
        each = f"each of {asked.sequences} gets {asked.context:,} tokens"
        if program.unified and program.rules.slots is not one_slot:
            each = (
                f"{ANY_SLOT}, and {asked.sequences} of {asked.context:,} tokens fill it; {ALL_FAIL}"
            )
        if asked.sequences > 1:
            asked.notes.append(f"{program.name}: -c {of_all:,} counts all slots, so {each}")
    read_devices(asked)
    read_draft(asked)
    if asked.beside and asked.sequences > 1 and not program.rules.shared_draft:
        asked.beside = []
        asked.notes.append(f"{program.name}: each slot has a draft's context, which is not counted")
    return asked


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,10}", str(text)):
        raise RequestError.of("--kv-unified-per-slot", text, "a whole number")
    return int(text)


def _without_context(asked: Asked, program: Program) -> None:
    """Without -c, or by -c 0: one buffer is the model's own context; --fit gives each stream that.

    Without --fit, and before it knew of streams, all slots share it (common/fit.cpp).
    """
    each = program.fits and not program.unified and program.rules.without_context == "each"
    asked.shares_maximum = not each
    if asked.sequences == 1:
        said = "the context is the model's own"
    elif each:
        said = "each slot has the model's own context (--fit)"
    else:
        said = "its slots share the model's own context"
    less = "without -c {}, or less to fit the memory" if asked.context is None else "by -c 0 {}"
    asked.context = None
    asked.notes.append(
        f"{program.name}: {less.format(said)}" + (f"; {ANY_SLOT}" if program.unified else "")
    )


def _of_one(context: int, sequences: int, program: Program) -> int:
    """Part -c among slots: the tokens of one that take the cells which -c takes of all."""
    down, pad = context // sequences, program.pad
    padded = -(-context // pad) * pad
    if program.unified:
        same = -(-down * sequences // pad) * pad == padded
    else:
        same = -(-down // pad) == -(-(padded // sequences) // pad)
    return down if down and same else down + 1
