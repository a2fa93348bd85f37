"""What a line of llama.cpp says of a draft: its context beside the model's, and spare states."""

from kvcalc.engines.server.asked import Asked, Beside
from kvcalc.errors import quote

DRAFTED = 3
"""Tokens that a draft is asked for unless --spec-draft-n-max says otherwise (common/common.h)."""

TYPES = ("kv_cache_dtype", "cache_type_k", "cache_type_v")
"""Settings of the model's element types, which a draft does not share."""

DRAFT_TYPES = {"cache_type_k": "spec_draft_type_k", "cache_type_v": "spec_draft_type_v"}
"""Settings of a draft's element types, and what its flags give."""

ROLLS_BACK = frozenset({"draft-mtp", "draft-eagle3", "draft-dflash", "draft-dspark"})
"""Kinds of speculative decoding that want spare recurrent states (need_n_rs_seq)."""


def read_draft(asked: Asked) -> None:
    """Read the draft: states that are rolled back, and a context of its own beside the model's.

    That has the model's whole context, streams and batches, but no spare states, and f16 whatever
    the model's types are (common/speculative.cpp, common_base_params_to_speculative).
    """
    settings = asked.settings
    kinds = set(str(settings.pop("spec_type", "")).split(","))
    drafted = settings.pop("spec_draft_n_max", DRAFTED)
    file, repository = settings.pop("spec_draft_model", None), settings.pop("spec_draft_hf", None)
    own = {
        name: settings.pop(flag)
        for name, flag in DRAFT_TYPES.items()
        if settings.get(flag) is not None
    }
    alike = {name: value for name, value in settings.items() if name not in TYPES}
    mtp = "draft-mtp" in kinds
    draft = repository or file
    if draft is not None or mtp:
        of_mtp = {"ctx_type": "mtp"} if mtp else {}
        what = f"the draft {quote(draft)}" if draft else "the context of the model's NextN layers"
        told_by = ("ctx_type", "mtp") if mtp and draft is None else None
        asked.beside.append(Beside(what, draft, alike | own | of_mtp, told_by))
    if ROLLS_BACK & kinds:
        settings["n_rs_seq"] = drafted
