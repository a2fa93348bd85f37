"""By how much an answer fits or does not, and the nearest changes that would make it fit."""

from kvcalc.answers.fit import WEIGHTS, Answer
from kvcalc.answers.fit.placing import Placing
from kvcalc.errors import KvcalcError
from kvcalc.units import at_version, format_bytes, plural

SMALLER_TYPES = ("fp8", "q8_0", "int8")
"""Element types of half the size, by the names that engines have for them."""


def margin(answer: Answer) -> int:
    """Bytes that are left on one GPU; below 0, bytes that are missing."""
    fit, replica = answer.fit, answer.replica
    if fit.binding == WEIGHTS:
        return min(replica.budget.cache, -1)
    return fit.cache_memory_per_gpu - replica.need(fit.context, -(-fit.sequences // fit.replicas))


def verdict(answer: Answer) -> str:
    """Say in one sentence whether it fits and by how much."""
    fit, left = answer.fit, margin(answer)
    what = f"{plural(fit.sequences, 'sequence')} of {fit.context:,} tokens"
    where = f"{fit.gpus} {fit.gpu} on {at_version(fit.engine, fit.engine_version)}"
    if fit.fits:
        return (
            f"{what} of {fit.model} fit on {where}: {format_bytes(max(left, 0))} per GPU to spare"
        )
    if fit.binding == WEIGHTS:
        why = f"its weights and reserve are {format_bytes(-left)} per GPU too large"
    else:
        why = f"{format_bytes(-left)} per GPU are missing"
    return f"{what} of {fit.model}: does not fit on {where}: {why}"


def changes(placing: Placing, answer: Answer) -> list[str]:
    """Name the changes that would each make it fit; none if it fits already."""
    fit = answer.fit
    if fit.fits:
        return []
    found = []
    if fit.max_context:
        found.append(f"-c {_rounded_down(answer)}")
    if fit.max_sequences:
        found.append(plural(fit.max_sequences, "sequence"))
    if (smaller := _with_smaller_type(answer)) is not None:
        found.append(f"--kv-cache-dtype {smaller}")
    gpus = placing.fewest_for(fit.context, fit.sequences)
    if _holds(placing, gpus, fit.context, fit.sequences):
        found.append(f"--gpus {gpus}")
    return found


def _holds(placing: Placing, gpus: int, context: int, sequences: int) -> bool:
    replica = placing.on(gpus)
    return gpus // replica.ranks * replica.most_sequences(context) >= sequences


def _rounded_down(answer: Answer) -> str:
    """The longest context, rounded down to a whole K if that is not 0."""
    fit, longest = answer.fit, answer.fit.max_context
    thousands = longest // 1024
    each = -(-fit.sequences // fit.replicas)
    if thousands and answer.replica.need(1024 * thousands, each) <= fit.cache_memory_per_gpu:
        return f"{thousands}K"
    return f"{longest}"


def _with_smaller_type(answer: Answer) -> str | None:
    """An element type of half the size with which it fits, by the engine's name."""
    asked = answer.replica.question
    for name in SMALLER_TYPES:
        if asked.settings.get("kv_cache_dtype") == name or name not in asked.engine.dtypes:
            continue
        other = Placing(asked.with_settings(kv_cache_dtype=name))
        try:
            if _holds(other, answer.fit.gpus, answer.fit.context, answer.fit.sequences):
                return name
        except KvcalcError:
            continue
    return None
